-- Not for `last_used_at`: that a key is used changes nothing for anybody, and happens once a minute for each.
drop trigger notify_change on api_keys;
--> statement-breakpoint
create trigger notify_change after insert or delete
  or update of company_id, prefix, hash, verbs, key_patterns, addresses, expires_at, revoked_at on api_keys
  for each statement execute function notify_subject('credentials');
