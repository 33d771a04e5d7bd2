"""Questions about a function, answered.

`compiler`  a query becomes a program that runs, cached by its signature
`alternatives`  what would be accepted instead of a query over the limit
`sparse`    queries for sparse matrices: patterns, colours, results in coordinates
`check`     whether a derivative is right, by two tests that share no arithmetic
`receipt`   what was differentiated, by what, and how it stood up to those tests
`estimate`  what each kind of query would take, from shapes alone
"""
