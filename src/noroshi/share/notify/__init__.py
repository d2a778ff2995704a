"""Notices to those who answer for a network: which of their hosts were seen infected, exposed or attacked.

`operators` (who answers for what), `rdap` (what registries say of that), `customers` (what such a recipient may see),
`items` (what there is to tell, and its evidence), `table` (the CSV), `words` and `compose` (the mail), `xarf`,
`bounce` (what comes back), `curve` (how soon things were mended). `work.notify` plans and sends.
"""
