"""What every test needs of the process that runs it."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job in the background: children would ignore Ctrl-C too
    signal.signal(signal.SIGINT, signal.default_int_handler)
