"""What people read, in the user's own expressions.

Findings are data: a culprit, a `Fix` with a code and arguments, a `Caveat` with a code and arguments. They
become sentences in `rendering`, once, when the entry of the wire is made; nothing edits a sentence later.
To say something new, add a template to `templates`, or to the entry of a table of remedies if it belongs to
one op, and make a `Fix` or a `Caveat` with its code.

`origin`       the culprit: the node, its elements, the reason and the values that prove it
`source_text`  the user's own text for what lies in a slot
`fix`          a fix as data
`caveat`       a warning as data
`templates`    every sentence of fixes and warnings
`rendering`    fixes and warnings as prose
`messages`     one sentence of what happened and why
"""
