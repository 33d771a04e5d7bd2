"""The clients and their calls.

`client`           `Client` and `AsyncClient`, and `default_client`
`default`          the client of a process that is used if none is named
`session`          what a client remembers between calls
`function`         what a call takes as a function: a program, a graph document, or Python
`options`          options of the calls, by kind of query: each declared once
`calls`            the calls of both clients, each written once
`derivatives`      the calls of directional and second derivatives, checks and estimates
`requests`         the requests behind the calls
`products`         the requests behind the calls of higher order
`graphs`           published graphs
`jobs`             training jobs
`job_documents`    a job's document in the form of the wire
`datasets`         data sets on the server
`uploads`          arrays as files to upload
`answer_warnings`  what is warned of with an answer, in the user's own words
`findings`         entries of a diagnosis, with the user's own lines
`pasting`          a fix in the user's own words, to be pasted
"""
