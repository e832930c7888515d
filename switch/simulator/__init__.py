"""Simulated billers: what a department's billing system does, for tests and demos.

They dial in to a switch as real ones do (`BillerService.Connect`), over the wire and
with a biller's certificate. What they say of a payment follows from its id and a seed,
so that a question asked again gets the same answer, in this process or a later one.
"""
