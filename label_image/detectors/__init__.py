"""Examines classifier files that have no metadata of ours: one file for each format collects Evidence, `conclude` decides what it means."""
