"""What banks say: statements and advices of credit, read and judged as files.

May use the words. Knows no ledger: what a line is for is decided elsewhere.

- `lines`: a statement, its lines, the bank's reference in its one form
- `xml`: XML that others have written, without its traps
- `values`: what camt's elements say: amounts, sides, days
- `camt`: ISO 20022 camt.053 (statements) and camt.054 (advices)
- `tabular`: CSV by a map of its columns
- `sequence`: pages put together, and what one account's statements say as a row
"""
