"""How each manager orders its versions. Own code where a library would weigh more than it saves.

Each file gives `key(version)`, which sorts as the manager orders, and `compare(one, other)` → −1, 0 or 1. Both take any
text and never fail: what a manager would refuse gets a place all the same. Whoever has to know asks `valid(version)`.
"""
