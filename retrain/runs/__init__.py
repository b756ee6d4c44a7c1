"""Manages runs: the record of a run (`record`, `make_record`), its folder (`folder`), and the list of runs (`listing`, `cli`)."""
