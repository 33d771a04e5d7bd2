"""The intermediate representation: ops as records, and tapes of them.

`op`                what an op is: one record, from which everything about it follows; its parts are
`kernel`            how it is computed,
`derivative`        how it is differentiated, beside its inputs' rules,
`rules`             how it is batched, analysed, linked and estimated,
`samples`           on what it is tested, and
`input`             its array parameters, each with its edge's VJP rule
`no_gradient`       edges that carry no gradient, with the reason
`cost`              what one run of an instruction costs, and the estimates that ops share
`shapes`            rules about shapes and dtypes that ops share
`table`             the table of ops, `lookup` by name, and `F`, by which rules call ops
`substitutes/`      what to write for ops of other libraries that are not here
`attributes`        the values that an op takes beside its arrays, each with its schema
`json_numbers`      NaN and the infinities in JSON
`function_rules`    how the inputs and outputs of a function attribute bind
`families`          what ops of one family share: shape rule, derivative rule, batch rule
`batch_rules`       how an op takes a leading batch axis
`dependence`        how the elements of an input reach the output, as values
`dependence_rules`  which elements of the inputs an element of the output depends on
`indices`           NumPy's indexing, decided from shapes alone
`operands`          what an op takes: how many arrays, of which dtypes
`budget`            how much a thread may record before it stops
`tape`              the Wengert list, and its variables, with which formulas and derivative rules record
"""
