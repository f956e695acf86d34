"""Keeps the garbage collector out of the hot path, and measures what it does take.

On PyPy major collections run only here, in small steps, when the core is idle, or one step a flush once memory has
grown by half since the last. On CPython reference counting does the work; cycles are looked for when idle.
"""

import gc
import sys

IS_PYPY = sys.implementation.name == "pypy"
GROWTH_BYTES_MIN = 256 << 20  # how much may be added before steps are taken under load
#: For the environment of a PyPy core, before it starts.
PYPY_ENVIRONMENT = {"PYPY_GC_NURSERY": "16M", "PYPY_GC_INCREMENT_STEP": "1M"}


class Collector:
    def __init__(self):
        self.is_pressed = False  # memory has grown: take a step at every flush until a collection is done
        self.pauses = 0
        self.pause_ns_max = 0
        self.pause_ns_total = 0
        self.majors = 0
        self._memory_bytes = 0
        self._limit_bytes = 0
        self._is_collecting = False

    def start(self):
        """To be called once the process is warm: what lives now is taken to live on."""
        gc.collect()
        gc.disable()
        if IS_PYPY:
            gc.hooks.on_gc_minor = self._after_minor
            gc.hooks.on_gc_collect_step = self._after_step
        else:
            gc.freeze()
            gc.callbacks.append(self._cpython_collected)

    def step(self):
        """Do a small part of a major collection. -> True where there is more to do."""
        if not IS_PYPY:
            gc.collect(0)
            return False
        if gc.collect_step().major_is_done:
            self.majors += 1
            self.is_pressed = False
            self._limit_bytes = 0
            return False
        return True

    def rows(self):
        """[[name, value], ...] for QueryStatistics."""
        return [
            ["collector_pauses", self.pauses],
            ["collector_pause_us_max", self.pause_ns_max // 1000],
            ["collector_pause_us_total", self.pause_ns_total // 1000],
            ["collector_majors", self.majors],
            ["memory_bytes", self._memory_bytes],
        ]

    def _paused(self, duration_ns):
        self.pauses += 1
        self.pause_ns_total += duration_ns
        if duration_ns > self.pause_ns_max:
            self.pause_ns_max = duration_ns

    def _after_minor(self, stats):
        self._paused(int(stats.duration * 1e9))
        self._memory_bytes = stats.total_memory_used
        if not self._limit_bytes:
            self._limit_bytes = self._memory_bytes + max(GROWTH_BYTES_MIN, self._memory_bytes // 2)
        elif self._memory_bytes > self._limit_bytes:
            self.is_pressed = True

    def _after_step(self, stats):
        self._paused(int(stats.duration * 1e9))

    def _cpython_collected(self, phase, info):
        """CPython tells no durations; what is counted is that a pause was."""
        if phase == "stop":
            self.pauses += 1
