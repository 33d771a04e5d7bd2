"""Queries about a function: compiled, run, checked and estimated.

`compiler`      a query becomes a program that runs, cached by its signature
`alternatives`  what would be accepted instead of a query over the limit
`sparse`        queries for sparse matrices: patterns, colours, results in coordinates
`check`         whether a derivative is right, by two tests that share no arithmetic
`receipt`       what was differentiated, by which version, and the results of those tests
`estimate`      the cost of each kind of query, from shapes alone
"""
