"""What to write instead: tables of mistakes and their remedies, each tried before it is told.

`table`          the record of a remedy: what was written, what is wrong with it, what to write
`conditions`     when an entry applies, and the literals that its forms use
`forms`          expressions of letters, in the user's words and recorded to be tried
`softening`      cuts whose remedy is an expression: what has no slope, and what to write in its place
`pole_remedies`  gradients that are NaN or infinite
`zero_remedies`  gradients that are zero
`misuses`        what is valid and seldom meant
`static_misuses` mistakes that show before any number is there
`logits`         logarithms of probabilities that are picked by an index
`leaves`         an input that lies where something stops to be defined
`loops`          the condition of a loop, as it was written
`rest`           what to do if the target stands still
`trial`          a remedy tried: the tape with one step written in another way, differentiated
`prescription`   the remedy for a culprit, looked for in the tables and tried on the values of the run
"""
