"""The compiled executor: a tape as native loops of its own, with NumPy steps between them.

`views`      where the elements of a slot lie: an affine view of a root's memory
`nodes`      what a tape becomes: maps, reductions, matrix products, NumPy steps
`lowering`   from a tape to nodes, by the scalar forms and the lowerings in the records of ops
`regions`    which nodes share a loop nest, and in which order the nests run
`memory`     which value lies where: one arena by lifetimes, concatenations and donations in place
`ir`         text of LLVM's intermediate representation: functions, counted loops, constants
`lane`       numbers in a register, with the operators of an array
`lanes`      the namespace on which scalar forms are played: each call writes an instruction
`maths/`     exp, log, tanh and their kin on vectors
`cells`      elements of the table's memory: addresses, loads and stores
`nests`      a region as a function: rows, columns, passes, sums
`sums`       reductions over vectors: neutral elements, lanes taken together
`products`   matrix products by tiles that stay in registers
`module`     the functions of a tape, and the segments between NumPy steps
`jit`        from text to machine code, through llvmlite
`cache`      machine code on disk
`program`    a compiled tape: its calls in order, over one table of pointers
`plans`      the two faces that executors give out: of a query, and of a training step
`native`     whether a process may compile, where it keeps machine code, and what happens if it fails
"""
