"""Reading by index, and the adjoints of reading, which add into one array in place.

basic (getitem, index_add, index_set) → gathering (take, gather, one_hot) → along_axis → sorting → entries
→ searching (in tables; histograms) → segments
"""
