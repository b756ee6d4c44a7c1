"""The runs that were made: what each did (`record`, `make_record`), its folder (`folder`), the list of them (`listing`, `cli`)."""
