"""A process gives up what it does not need, for good, and proves that it has: seccomp, Landlock and resource limits."""

from confinement.limits import address_space, adopt_orphans, children, die_with_parent, lower, outlive_parent
from confinement.places import interpreters, libraries
from confinement.policy import Policy, Report, confine
from confinement.scratch import ScratchFolder

__all__ = [
    "Policy",
    "Report",
    "ScratchFolder",
    "address_space",
    "adopt_orphans",
    "children",
    "confine",
    "die_with_parent",
    "interpreters",
    "libraries",
    "lower",
    "outlive_parent",
]
