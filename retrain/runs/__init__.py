"""The runs that were made: what each did (`record`, `record_file`), its folder (`folder`), the list of them (`listing`, `cli`)."""
