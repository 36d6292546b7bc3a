-- The batch that an event was sealed in is the first of its floor whose interval ends after the event's transaction.
create index audit_batches_interval on audit_batches (floor, to_xid);
