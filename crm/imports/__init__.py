"""Importing deals, contacts and companies from CSV and XLSX files.

`files` reads a file into rows, `targets` says what a column may become, `plans` reads a row by that, `known` finds what
is there already, `writing` writes a chunk of rows, `undoing` takes all back, and `jobs` holds the verbs.
"""
