"""What people read: the culprit, the message and the fix, in the user's own expressions.

`origin`         the culprit: the node, its elements, the reason and the values that prove it
`source_text`    the user's own text for what lies in a slot
`messages`       one sentence of what happened and why
`fixes`          what to write instead
`domain_guards`  how to keep away from where an op is undefined or too steep
`stable_forms`   the stable form of an expression
"""
