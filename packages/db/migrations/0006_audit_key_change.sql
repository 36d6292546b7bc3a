-- Processes that write to the record ask again which of its keys is in use. It is news of the same kind as a master key's.
create trigger notify_change after insert or update on audit_keys
  for each statement execute function notify_subject('master-keys');
