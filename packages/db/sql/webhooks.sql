-- What events notify of, in the transaction of their change: one delivery for each endpoint of the company, or of the platform,
-- that asks for the type. Nothing is stored where nothing is asked. The application's role can do no more with endpoints, and what
-- it can claim here it can claim in the audit log. A notification names, and holds no value.
create or replace function enqueue_notifications(events json) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog
as $$
begin
  if not exists (select from public.webhook_endpoints e where e.verified_at is not null) then return; end if;
  with told as (
    select n.*, e.id as endpoint_id
    from json_to_recordset(events) as n(id uuid, company_id uuid, notification_type text, subject_name text, occurred_at timestamptz,
      actor_kind text, actor_id text, action text, secret_key text, version integer, reason text, notification_subject text,
      of_platform boolean)
    join public.webhook_endpoints e on (e.company_id is null or e.company_id = n.company_id and n.of_platform is not true)
      and e.verified_at is not null and (e.types is null or n.notification_type = any(e.types))
    where n.notification_type is not null
  ), stored as (
    insert into public.notifications (id, company_id, type, body)
    select distinct on (t.id) t.id, t.company_id, t.notification_type, json_strip_nulls(json_build_object(
      'type', t.notification_type,
      'version', 1,
      'timestamp', to_char(t.occurred_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'data', json_build_object(
        'company', case when c.id is not null then json_build_object('id', c.id, 'subdomain', c.subdomain) end,
        'secretKey', left(t.secret_key, 100),
        case when t.action like 'key.%' then 'keyVersion' else 'secretVersion' end,
          case when t.secret_key is not null or t.action like 'key.%' then t.version end,
        'previousVersion', case when is_current then (s.grace_windows->0->>'version')::integer end,
        'previousUntil', case when is_current then s.grace_windows->0->>'until' end,
        'expiresAt', to_char(s.expires_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'deleteAt', case when t.action in ('company.schedule-deletion', 'company.deletion-due', 'company.keep', 'company.delete') then (
          select to_char(to_timestamp((r.input->>'deleteAtMs')::float8 / 1000) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
          from public.runs r where r.id = t.notification_subject::uuid) end,
        coalesce(t.subject_name, 'subject'), case when t.subject_name is not null then left(t.notification_subject, 100) end,
        'reason', left(t.reason, 100),
        'actor', json_build_object('kind', t.actor_kind, 'id', left(t.actor_id, 200)),
        'event', t.id)))::text
    from told t
    left join public.companies c on c.id = t.company_id
    left join public.company_secrets s on s.company_id = t.company_id and s.secret_key = t.secret_key
    cross join lateral (select s.current_version = t.version and s.deleted_at is null as is_current) as head
    where t.company_id is null or c.id is not null
    on conflict do nothing
    returning id
  )
  insert into public.webhook_deliveries (endpoint_id, notification_id, company_id, type)
  select t.endpoint_id, t.id, t.company_id, t.notification_type from told t join stored on stored.id = t.id;
end $$;
alter function enqueue_notifications(json) owner to tenant_secrets_maintenance;
grant execute on function enqueue_notifications(json) to tenant_secrets_application, tenant_secrets_maintenance;

-- Inserts events, and stores what they notify of. In the caller's own role. A session plans the statements of a function once, and
-- a statement with both parts at each event, which takes longer than its execution.
create or replace function insert_notifying_events(events json) returns void
  language plpgsql volatile security invoker
  set search_path = pg_catalog
as $$
begin
  insert into public.audit_events (id, company_id, occurred_at, actor_kind, actor_id, action, secret_key, version, outcome, reason, subject,
    request_id, address, count, last_at, writer_id, sequence_no, nonce, mac_key_version, mac)
  select e.id, e.company_id, e.occurred_at, e.actor_kind, e.actor_id, e.action, e.secret_key, e.version, e.outcome, e.reason, e.subject,
    e.request_id, e.address, e.count, e.last_at, e.writer_id, e.sequence_no, e.nonce, e.mac_key_version, e.mac
  from json_populate_recordset(null::public.audit_events, events) as e
  on conflict do nothing;
  perform public.enqueue_notifications(events);
end $$;
grant execute on function insert_notifying_events(json) to tenant_secrets_application, tenant_secrets_maintenance;
