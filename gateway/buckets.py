"""Token buckets: so many requests at once, so many a second after that, for each user and each address. Pure: the clock
is the caller's."""

import ipaddress
from collections import OrderedDict

BUCKETS_MAX = 100_000  # of users, and of addresses; beyond, who has not asked for longest is forgotten: a full bucket


class Buckets:
    """A bucket for each key. `rate` is tokens a second, and `burst` what a bucket holds; a rate of 0 limits nothing."""

    def __init__(self, rate, burst, buckets_max=BUCKETS_MAX):
        self.rate = rate
        self.burst = burst
        self._max = buckets_max
        self._buckets: OrderedDict = OrderedDict()  # key -> (tokens, seconds as of when), who asked last at the end

    def take(self, key, cost, now):
        """Take `cost` tokens at `now` seconds. -> (tokens left, seconds until that many are there; 0.0 if taken)."""
        if not self.rate:
            return self.burst, 0.0
        buckets = self._buckets
        found = buckets.pop(key, None)
        if found is None:
            tokens = self.burst
            if len(buckets) >= self._max:
                del buckets[next(iter(buckets))]
        else:
            tokens = min(self.burst, found[0] + (now - found[1]) * self.rate)
        wait_seconds = 0.0
        if tokens >= cost:
            tokens -= cost
        else:
            wait_seconds = (cost - tokens) / self.rate
        buckets[key] = (tokens, now)
        return tokens, wait_seconds

    def __len__(self):
        return len(self._buckets)


def network_of(address):
    """An address as one client: of IPv6 the first 64 bits, which one customer has to itself."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
