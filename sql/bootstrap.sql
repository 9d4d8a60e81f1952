-- The table that remembers which migrations this schema has. Run at the start of every migration, under its
-- advisory lock, with search_path set to the schema.
create table if not exists migrations (
    version    integer primary key,
    name       text not null,
    breaking   boolean not null,
    applied_at timestamptz not null default clock_timestamp()
);
comment on table migrations is 'The migrations this schema has seen. A library that does not know a version marked breaking refuses to work here.';
