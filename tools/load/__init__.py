"""The load generator behind `tools load`; perf/ and the tests use its parts."""
