"""Keeps the garbage collector out of the hot path, and measures what it does take.

On PyPy major collections run only here, in small steps, when the core is idle, or once memory has grown by half since
the last: then as many steps as it goes on growing, whatever makes it grow. On CPython reference counting does the
work; cycles are looked for when idle.
"""

import gc
import sys

IS_PYPY = sys.implementation.name == "pypy"
GROWTH_BYTES_MIN = 256 << 20  # how much may be added before steps are taken under load, ...
GROWTH_SHARE = 0.5  # ... or this share of what there was, where that is more
GROWTHS_MAX = 3  # of that growth: at so many a collection is finished at once, be the pause what it may
STEP_BYTES = 1 << 20  # what a step examines, see below
STEPS_PER_GROWTH = 2  # steps for each STEP_BYTES that memory grows while it is pressed: it must be overtaken
#: For the environment of a PyPy core, before it starts.
PYPY_ENVIRONMENT = {"PYPY_GC_NURSERY": "16M", "PYPY_GC_INCREMENT_STEP": "1M"}


class Collector:
    def __init__(self):
        self.is_pressed = False  # memory has grown: steps are due until a collection is done
        self.pauses = 0
        self.pause_ns_max = 0
        self.pause_ns_total = 0
        self.majors = 0
        self._memory_bytes = 0
        self._limit_bytes = 0
        self._ceiling_bytes = 0
        self._worked_bytes = 0  # memory when work() took its last steps

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

    def work(self):
        """Take the steps that are due. To be called after all that may leave garbage; costs nothing where none are."""
        if not self.is_pressed:
            return
        grown = self._memory_bytes - self._worked_bytes
        self._worked_bytes = self._memory_bytes
        steps = 1 + STEPS_PER_GROWTH * max(grown, 0) // STEP_BYTES
        while self.step() and (steps > 1 or self._memory_bytes > self._ceiling_bytes):
            steps -= 1

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
            growth = max(GROWTH_BYTES_MIN, int(self._memory_bytes * GROWTH_SHARE))
            self._limit_bytes = self._memory_bytes + growth
            self._ceiling_bytes = self._memory_bytes + GROWTHS_MAX * growth
        elif self._memory_bytes > self._limit_bytes and not self.is_pressed:
            self.is_pressed = True
            self._worked_bytes = self._memory_bytes

    def _after_step(self, stats):
        self._paused(int(stats.duration * 1e9))

    def _cpython_collected(self, phase, info):
        """CPython tells no durations; what is counted is that a pause was."""
        if phase == "stop":
            self.pauses += 1
