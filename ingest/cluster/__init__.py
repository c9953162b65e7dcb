"""The executor `ray`: files are read and embedded by a Ray Data pipeline over many machines (extra `ray`).

Only what `ingest.pipeline.Pool` asks for is done elsewhere. Finding, journal, index and report stay with the process
that was started, so a run on a cluster keeps the promises of one on this machine.
"""
