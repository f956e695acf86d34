"""The switches that make the wallet misbehave: which fault, on which requests, and how often. Pure."""

import attrs

#: name -> what it does to the requests it is for
FAULTS = {
    "slow": "answers `ms` late",
    "error": "answers 500, and has done nothing",
    "error_booked": "does what it is asked to, then answers 500",
    "refuse": "answers 422 `refused`, and has done nothing",
    "die": "its process ends, having done nothing",
    "die_booked": "does what it is asked to, then its process ends without an answer",
    "twice": "sends its answer twice",
}
POSTINGS, REVERSALS, ALL = "postings", "reversals", "all"
MS_MAX = 600_000


def _whole_number(least, most=2**31):
    def check(instance, attribute, value):
        if type(value) is not int or not least <= value <= most:
            raise ValueError("%s must be a whole number from %d to %d" % (attribute.name, least, most))

    return check


def _text(instance, attribute, value):
    if type(value) is not str:
        raise ValueError("%s must be text" % attribute.name)


@attrs.define
class Fault:
    """Every `every`-th of the requests that fit, `times` times in all (0: without end). Empty text fits any."""

    every: int = attrs.field(default=1, validator=_whole_number(1))
    times: int = attrs.field(default=0, validator=_whole_number(0))
    ms: int = attrs.field(default=0, validator=_whole_number(0, MS_MAX))
    on: str = attrs.field(default=POSTINGS, validator=attrs.validators.in_((POSTINGS, REVERSALS, ALL)))
    account: str = attrs.field(default="", validator=_text)
    asset: str = attrs.field(default="", validator=_text)
    direction: str = attrs.field(default="", validator=_text)
    seen: int = attrs.field(default=0, init=False)
    struck: int = attrs.field(default=0, init=False)

    def strikes(self, on, posting):
        """Whether it is for this request; counts it. `posting`: its fields, {} for a reversal."""
        if self.on not in (on, ALL) or (self.times and self.struck >= self.times):
            return False
        for name in ("account", "asset", "direction"):
            if getattr(self, name) not in ("", posting.get(name)):
                return False
        self.seen += 1
        is_due = self.seen % self.every == 0
        self.struck += is_due
        return is_due


class Faults:
    def __init__(self):
        self.active = {}  # name -> Fault

    def set(self, name, fields):
        """Switch a fault on, its counts at 0. Raises ValueError."""
        if name not in FAULTS:
            raise ValueError("there is no fault %r; there are %s" % (name, ", ".join(FAULTS)))
        if type(fields) is not dict:
            raise ValueError("a fault is an object of its settings")
        known = {field.name for field in attrs.fields(Fault) if field.init}
        for field in fields:
            if field not in known:
                raise ValueError("a fault has no %r; it has %s" % (field, ", ".join(sorted(known))))
        self.active[name] = Fault(**fields)

    def replace(self, faults):
        """These faults, {name: settings}, and no others. Raises ValueError, and then changes nothing."""
        replacement = Faults()
        for name, fields in faults.items():
            replacement.set(name, fields)
        self.active = replacement.active

    def of(self, on, posting):
        """-> {name: Fault} of those that strike this request."""
        return {name: fault for name, fault in self.active.items() if fault.strikes(on, posting)}

    def shown(self):
        return {name: attrs.asdict(fault) for name, fault in self.active.items()}


def parse_fault(text):
    """ "slow:ms=300,times=10" -> ("slow", {"ms": 300, "times": 10}). Raises ValueError."""
    name, _, rest = text.partition(":")
    fields = {}
    for part in rest.split(",") if rest else ():
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError("%r is not KEY=VALUE" % part)
        fields[key] = int(value) if value.isdecimal() and key not in ("account", "asset") else value
    return name, fields
