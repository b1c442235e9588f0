"""Vouchers: documents that are drafted, then submitted; what ERPNext and its like book stock by.

A voucher counts only once it is submitted. So each transaction is two steps, and each of them is
once by itself: a draft that carries the transaction's id, which the ERP takes a single time, and
the submission of that draft, which it does a single time. Whatever happens in between, the next
attempt finds the draft by the id and carries it on.

    absent -draft-> draft -submit-> submitted -cancel-> cancelled

A transaction that the ERP has no single voucher for (an assembly, a count) may be several: all are
drafted before the first is submitted, so that what the ERP objects to shows before anything counts.

`settings` (what all such ERPs are told), `plan` (what a transaction is to them, pure), `rows`
(which lines of an order goods belong to, pure), `forms` (how an ERP wants it said, pure), `office`
(one open ERP), `posting` (draft, submit, cancel), `reading` (its stock and orders), `preview` and
`moves` (the calls and the effect, for a person and for reconciliation). A connector brings its
forms, and the little that its office and source do their own way.
"""
