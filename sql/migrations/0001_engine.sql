-- The tables of the engine: workflows, their steps, the queue of those that may run, and the worker
-- pools.
--
-- A step's id has the key of its workflow in the upper bits and its ordinal, 0 for the step added
-- first, in the lower 22. So the steps of a workflow lie side by side, and the primary key finds
-- them all: no index on the workflow and no sequence for steps is needed. There is room for
-- 4,194,304 steps in a workflow, and for 2^41 workflows.
--
-- There are no foreign keys. Only the functions of this schema write these tables, they lock the
-- workflow first, and each inserted step would pay for a check.

-- The key of the workflow a step belongs to.
create function workflow_of(step_id bigint) returns bigint
language sql immutable parallel safe
return step_id >> 22;

-- The id of the step with this ordinal in the workflow with this key.
create function step_of(workflow_key bigint, ordinal integer) returns bigint
language sql immutable parallel safe
return (workflow_key << 22) + ordinal;

-- The id of the step with this ordinal in the same workflow as the given step.
create function sibling_of(step_id bigint, ordinal integer) returns bigint
language sql immutable parallel safe
return (step_id >> 22 << 22) + ordinal;


-- A rule for one column is a rule of its type. Each statement that writes a table reads the checks
-- of the table again, which took a seventh of a hop; the rule of a type is read once a connection.
create domain workflow_state as text collate "C"
    constraint workflows_state check (value in ('executing', 'completed', 'failed', 'cancelled'));
create domain step_state as text collate "C"
    constraint steps_state check (value in ('suspended', 'queued', 'completed', 'cancelled', 'discarded', 'skipped'));
create domain entry_state as text collate "C"
    constraint queue_state check (value in ('scheduled', 'available', 'executing', 'retryable', 'waiting'));
create domain step_grouping as text collate "C"
    constraint steps_grouping check (value in ('map', 'workflow', 'graph'));
create domain step_role as text collate "C"
    constraint steps_role check (value in ('always', 'on failure', 'undo', 'gate', 'end'));
create domain deadline_kind as text collate "C"
    constraint deadlines_kind check (value in ('end', 'start', 'run', 'sweep group', 'sweep run'));
create domain debug_mode as text collate "C"
    constraint workflows_debug check (value in ('all', 'errors') or value ~ '^0[.][0-9]{1,20}$');
create domain step_total as integer
    constraint workflows_total check (value between 1 and 4194304);
create domain free_slots as integer
    constraint steps_slots_free check (value >= 0);
-- A notification names the queue, and has less than 8000 bytes.
create domain queue_name as text collate "C"
    constraint steps_queue check (octet_length(value) <= 4000);
-- A notification may name both.
create domain lane_name as text collate "C"
    constraint steps_lane check (octet_length(value) between 1 and 2000);
-- Times that clients can read and the engine can calculate with: up to PostgreSQL 16 an infinite
-- one cannot be subtracted.
create domain start_time as timestamptz
    constraint steps_scheduled_at check (value > '0001-01-02 00:00+00' and value < '9999-12-31 00:00+00');
create domain start_delay as double precision
    constraint steps_schedule_in check (value between 0 and 1e10);


create table workflows (
    key         bigint generated always as identity primary key,
    inserted_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    request     uuid,
    total       step_total not null,
    remaining   integer not null,
    failed      integer not null default 0,
    deadline    double precision,
    touched     integer,
    returns     integer,
    next_ordinal integer,
    followed_until timestamptz,
    announced_at timestamptz,
    watched     boolean not null default false,
    debug       debug_mode,
    fails_fast  boolean not null default false,
    may_fail_fast boolean not null default false,
    has_closing boolean not null default false,
    has_undo    boolean not null default false,
    state       workflow_state not null default 'executing',
    id          text collate "C" not null unique,
    name        text,
    run_key     text collate "C",
    key_for     double precision,
    fingerprint text collate "C" not null,
    meta        json,
    tags        json,
    models      json,
    budgets     json,
    ending      json,
    constraint workflows_finished check ((state = 'executing') = (finished_at is null)),
    constraint workflows_remaining check (remaining between 0 and total and (remaining > 0) = (finished_at is null))
) with (fillfactor = 50);
-- Half of each page is free, because all rows of a page are updated within a short time of each
-- other. There is no index on finished_at: the update that finishes a workflow would have to write
-- every index of the table again. Pruning goes by the key instead.
create index workflows_keyed on workflows (run_key, key) where run_key is not null;


-- Who holds a key follows from this table and the state of that workflow. So the end of a run writes
-- nothing here, and a run without a key costs nothing.
create table run_keys (
    key      text collate "C" primary key,
    workflow bigint not null
);

comment on table run_keys is 'One row per key that a run was inserted with: the lock of the key, and the last run that took it.';
comment on column run_keys.key is 'The key. It is locked before any workflow, several in their order.';
comment on column run_keys.workflow is 'Key of the workflow that took it. It holds it while it is executing, and for key_for seconds after that.';


create table run_tags (
    name     text collate "C" not null,
    value    text collate "C" not null,
    workflow bigint not null,
    primary key (name, value, workflow)
);

comment on table run_tags is 'One row per tag of a workflow, to find workflows by.';
comment on column run_tags.name is 'Name of the tag.';
comment on column run_tags.value is 'Its value.';
comment on column run_tags.workflow is 'Key of the workflow.';


create table insert_limits (
    steps          integer not null default 4194304,
    argument_bytes bigint not null default 67108864,
    id             boolean primary key default true constraint insert_limits_one_row check (id)
);
insert into insert_limits default values;

comment on table insert_limits is 'One row: how large a workflow may be that is checked before it is inserted. The owner of the schema may update it.';
comment on column insert_limits.steps is 'How many steps one workflow may have.';
comment on column insert_limits.argument_bytes is 'How many bytes the arguments of one step may have as JSON; also what it has besides, and the meta of a workflow.';
comment on column insert_limits.id is 'Always true: there is one row.';


create table upkeep (
    pruned_to bigint not null,
    -- A row without a key cannot be updated once its table is in a publication.
    id        boolean primary key default true constraint upkeep_one_row check (id)
) with (fillfactor = 10);
insert into upkeep (pruned_to) values (0);

comment on table upkeep is 'One row: how far upkeep has come. The pool that prunes holds its lock.';
comment on column upkeep.id is 'Always true: there is one row.';
comment on column upkeep.pruned_to is 'The key of the last workflow that pruning has examined; 0 when it begins again.';

comment on table workflows is 'One row per inserted workflow. It is the lock of all its steps: it is locked before one of them is written.';
comment on column workflows.key is 'Internal number. Locks are taken in its order, and it is the upper part of the ids of its steps (step id >> 22).';
comment on column workflows.id is 'The id that the application gave it, or that was drawn for it.';
comment on column workflows.name is 'The name that the application gave it; null for none.';
comment on column workflows.run_key is 'At most one workflow holds this key at a time; null for none. See run_keys.';
comment on column workflows.key_for is 'Seconds for which it holds its key after its end; null for none.';
comment on column workflows.tags is 'What the application finds it by: names and values, as they are in run_tags. Null for none.';
comment on column workflows.state is 'executing, or final: completed, failed (a step failed and was not ignored), cancelled (as a whole).';
comment on column workflows.total is 'How many steps it has; grows when a step expands into children.';
comment on column workflows.remaining is 'How many of its steps are not final; counted down in the transaction that settles them.';
comment on column workflows.failed is 'How many of its steps outside groups are discarded or cancelled, and needed. Whether their dependents ignore that is decided at the end.';
comment on column workflows.next_ordinal is 'Ordinal of the step that is written next, once steps have been deleted: ordinals are never used twice. Null: total.';
comment on column workflows.fails_fast is 'The first failure that nothing can forgive ends it.';
comment on column workflows.may_fail_fast is 'It, or a group in it, ends at the first failure that nothing can forgive.';
comment on column workflows.deadline is 'Seconds after its insert, or its retry, at which it is ended; null for none. See deadlines.';
comment on column workflows.has_closing is 'It has a closing step or an undo, which wait until attempts have really ended.';
comment on column workflows.has_undo is 'One of its steps has an undo.';
comment on column workflows.ending is 'It is being ended: state and reason as it will have them. Its closing steps and undos still run.';
comment on column workflows.returns is 'Ordinal of the step whose result is the workflow''s; null for its last steps''.';
comment on column workflows.request is 'The random token of the last call of cancel or retry that changed something, by which a replay of that call is recognised.';
comment on column workflows.touched is 'How many steps that call cancelled or opened. A replay returns it.';
comment on column workflows.watched is 'A client waits for the finish, so it is announced.';
comment on column workflows.followed_until is 'Somebody follows its steps until then, so that their ends are announced; null if nobody ever did.';
comment on column workflows.announced_at is 'When ends of its steps were announced last: for those who follow it, at most four times a second.';
comment on column workflows.debug is 'Which of its attempts leave debug records: all, errors (those that fail), or a share, as in 0.1. Null for none.';
comment on column workflows.fingerprint is 'Hash of what the caller wrote. It distinguishes a repeated insert from another graph under the same id.';
comment on column workflows.meta is 'What the application attached; the engine never reads it.';
comment on column workflows.models is 'Which language model each step asks: model maps by the name of the group they hold for; that of the workflow has an empty name, the one given with the insert is named /. Null for none.';
comment on column workflows.budgets is 'What its calls of language models may cost, as a list of StoredBudget (baton/core/usage/budget.py); null for no limit.';
comment on column workflows.inserted_at is 'Set once, when the workflow was inserted.';
comment on column workflows.finished_at is 'Set when the state becomes final; a retry clears it.';


create table steps (
    id               bigint primary key,
    finished_at      timestamptz,
    attempted_at     timestamptz,
    misfit_at        timestamptz,
    scheduled_at     start_time,
    schedule_in      start_delay,
    timeout          double precision,
    deadline         double precision,
    start_within     double precision,
    pool             bigint,
    token            uuid,
    pending          integer not null,
    attempt          integer not null default 0,
    max_attempts     integer not null,
    losses           integer not null default 0,
    loss_rows        integer not null default 0,
    refusals         integer not null default 0,
    parent           integer,
    first_child      integer,
    children         integer,
    returns          integer,
    needs            integer,
    undoes           integer,
    generation       integer not null default 1,
    round            integer not null default 1,
    concurrency      integer,
    units            integer,
    slots            free_slots,
    next_child       integer,
    failures_left    integer,
    completions_left integer,
    priority         smallint not null,
    ignore_cancelled boolean not null,
    ignore_discarded boolean not null,
    ignore_skipped   boolean not null,
    takes_context    boolean not null default false,
    holds_slot       boolean not null default false,
    watched          boolean not null default false,
    began            boolean not null default false,
    not_needed       boolean not null default false,
    is_closing       boolean not null default false,
    is_last          boolean,
    cancels_rest     boolean not null default false,
    fails_fast       boolean,
    awaits_attempts  boolean not null default false,
    state            step_state not null,
    outcome          text collate "C",
    grouping         step_grouping,
    role             step_role,
    queue            queue_name not null,
    lane             lane_name,
    worker           text collate "C" not null,
    name             text collate "C" not null,
    dependencies     integer[] not null,
    dependents       integer[] not null,
    edges            smallint[],
    inputs           integer[],
    all_inputs       integer[],
    undo_inputs      integer[],
    child_inputs     integer[],
    args             json not null,
    arg_refs         json,
    map              json,
    item_graph       json,
    backoff          json,
    condition        json,
    undo             json,
    awaits           json,
    ending           json,
    again            json,
    result           json,
    reason           text,
    errors           json[],
    constraint steps_finished check ((state in ('suspended', 'queued')) = (finished_at is null)),
    constraint steps_suspended check ((state = 'suspended') = (pending > 0) and pending >= 0),
    -- A group's result is read from its children, and stored nowhere else.
    constraint steps_result check ((state = 'completed' and first_child is null) = (result is not null)),
    constraint steps_children
        check ((first_child is null) = (children is null) and (first_child is null or grouping is not null)),
    constraint steps_edges check (cardinality(edges) = cardinality(dependencies)),
    constraint steps_slots check ((concurrency is null) = (slots is null) and slots <= concurrency)
) with (fillfactor = 70);

comment on table steps is 'The record of each step: what was asked for, and what became of it. While a row of queue exists for it, that row has the state; read steps_view.';
comment on column steps.id is 'Key of the workflow << 22, plus the ordinal of the step (0 is the one added first).';
comment on column steps.name is 'Its name, unique in the workflow.';
comment on column steps.worker is 'The registered worker that runs it.';
comment on column steps.args is 'The arguments, with null where the result of another step belongs.';
comment on column steps.arg_refs is 'Where results belong in the arguments: a list of [path, name of the step].';
comment on column steps.dependencies is 'Ordinals of the steps it waits for.';
comment on column steps.dependents is 'Ordinals of the steps that wait for it.';
comment on column steps.inputs is 'Ordinals of the dependencies whose results a claim delivers; null for none.';
comment on column steps.all_inputs is 'Of a step that needs some of its dependencies: `inputs` as they were before it was released, which a retry begins with. Null for none.';
comment on column steps.queue is 'The queue it waits in when it may run.';
comment on column steps.lane is 'Its lane in that queue; null for none. Lanes take turns where the queue has limits for them.';
comment on column steps.units is 'How much a start of it uses of the rates of its queue; null for 1.';
comment on column steps.priority is 'Smaller runs first.';
comment on column steps.max_attempts is 'How many attempts may fail or be lost in a row before it is discarded.';
comment on column steps.losses is 'How many attempts in a row were lost with their pools; 0 again after a snooze or a retry.';
comment on column steps.loss_rows is 'How many such rows there were since it last snoozed twice in succession.';
comment on column steps.timeout is 'Seconds one attempt may take; null for no limit.';
comment on column steps.deadline is 'Seconds after its release at which it is ended; of a map that of each child; null for none. See deadlines.';
comment on column steps.start_within is 'Seconds after its release at which it is ended unless it has started; of a map that of each child; null for none.';
comment on column steps.backoff is 'How long to wait after a failed attempt: seconds, or base, maximum and jitter; null for the policy of its worker.';
comment on column steps.scheduled_at is 'The step does not start before this time. It is read when the step is released.';
comment on column steps.schedule_in is 'Seconds to wait after the release.';
comment on column steps.ignore_cancelled is 'A cancelled dependency counts as done.';
comment on column steps.ignore_discarded is 'A discarded dependency counts as done.';
comment on column steps.ignore_skipped is 'A skipped dependency counts as done.';
comment on column steps.edges is 'What each dependency means to it, as bits: 1 ignores cancelled, 2 discarded, 4 skipped, 8 only observes. Null: as its flags say.';
comment on column steps.condition is 'Evaluated when nothing is pending: it is skipped unless this holds. Null for none.';
comment on column steps.role is 'always, on failure: a closing step. undo: takes back what another step did. gate, end: the engine''s own, without a worker. Null: an ordinary step.';
comment on column steps.is_closing is 'It outlives a cancel: it is a closing step, an undo, or below one.';
comment on column steps.is_last is 'Its result is that of its workflow or group, if no step is named for it. Null: if nothing depends on it.';
comment on column steps.needs is 'How many of the dependencies that it does not only observe have to complete; null for all.';
comment on column steps.cancels_rest is 'When it starts, the dependencies that it no longer needs are cancelled.';
comment on column steps.undo is 'The job that takes back what it did, if its workflow ends badly: worker, args, arg_refs and the terms of its steps.';
comment on column steps.awaits is 'What it waits for in place of a worker, once it is released: type (signal, message, timer or run) and what belongs to that. Null for a step that a worker runs.';
comment on column steps.undo_inputs is 'Ordinals of the other steps whose results its undo reads.';
comment on column steps.undoes is 'Of an undo: ordinal of the step that it takes back.';
comment on column steps.generation is 'Raised when it was undone or begins another round; part of the idempotency key.';
comment on column steps.round is 'Which round runs, or ran last. Counted when it begins.';
comment on column steps.again is 'Of a group of which another round is asked: by (ordinal of the step that asks), arguments, after, keep_rounds. It begins if the group completes.';
comment on column steps.ending is 'Of a group that is being ended: state and reason as it will have them. Its closing steps still run.';
comment on column steps.fails_fast is 'Of a group: the first failure in it that nothing can forgive ends it.';
comment on column steps.awaits_attempts is 'Of a closing step or undo: it waits for attempts of cancelled steps that still run somewhere.';
comment on column steps.began is 'User code may have run for it. Not cleared by a retry.';
comment on column steps.not_needed is 'It was cancelled because it was no longer needed, which fails nothing.';
comment on column steps.pending is 'What it still waits for: dependencies, its children that are not final, a slot of its map. More than 0 if and only if suspended.';
comment on column steps.state is 'suspended, queued (the row in queue knows more), or final: completed, cancelled, discarded, skipped.';
comment on column steps.watched is 'A client waits for the end of this step, so it is announced.';
comment on column steps.attempt is 'Attempts counted when the last outcome was accepted; 0 again after a retry or a snooze.';
comment on column steps.attempted_at is 'When the attempt of the last accepted outcome was claimed.';
comment on column steps.pool is 'The worker pool of the last accepted outcome.';
comment on column steps.token is 'The claim token of the last accepted outcome.';
comment on column steps.outcome is 'The kind of the last accepted outcome: completed, failed, discarded, cancelled, skipped, snoozed, again, lost, given_back, unknown_worker, misfit, expanded, joined.';
comment on column steps.parent is 'Ordinal of the group it is a child of; null for none.';
comment on column steps.grouping is 'What makes it a group: map, workflow (inserted with its children) or graph (its worker returned one); null for an ordinary step.';
comment on column steps.first_child is 'Ordinal of its first child, the others follow; null until it has children.';
comment on column steps.children is 'How many children it has, not counting theirs.';
comment on column steps.returns is 'Ordinal of the child whose result is the group''s; null for its last children''s.';
comment on column steps.map is 'Of a map: each, the parameters that get one item each; references, the arg_refs of its children; tolerate, how many failures, or what share of its children, do not fail it; needs, how many children have to complete.';
comment on column steps.item_graph is 'Of a map of a workflow: the graph that each child expands into, with holes for its arguments, as baton/core/item_graphs.py writes it.';
comment on column steps.child_inputs is 'Of a map: the inputs of its children.';
comment on column steps.concurrency is 'How many children of a map run at a time; null for no limit.';
comment on column steps.slots is 'How many more of its children may run now.';
comment on column steps.next_child is 'Of a map: number of the first child that may still wait for a slot.';
comment on column steps.failures_left is 'Of a map that tolerates failures or needs only some of its children: how many more failures end it. Null for no such limit.';
comment on column steps.completions_left is 'Of a map that needs only some of its children: how many more have to complete. Null if it needs all.';
comment on column steps.holds_slot is 'It has one of the slots of its map, until it is final.';
comment on column steps.takes_context is 'Its worker gets the outcomes of its dependencies as well as their results.';
comment on column steps.refusals is 'How often in a row pools put it back because they do not know its worker, or its arguments do not fit; 0 after a start.';
comment on column steps.misfit_at is 'When its arguments were first found not to fit, since it last started; null if they were not.';
comment on column steps.result is 'What the worker returned; null unless completed (a returned None is the JSON null), and of a group with children: see group_result(id).';
comment on column steps.reason is 'Why it is cancelled, discarded or skipped; or why it was put back.';
comment on column steps.errors is 'The last 50 failed attempts, oldest first: attempt, at, kind, error, trace.';
comment on column steps.finished_at is 'When it became final.';


create type given_step as (
    place        integer,
    workflow     text,
    flow         integer,
    ordinal      integer,
    total        integer,
    name         text,
    parent       integer,
    dependencies integer[],
    dependents   integer[],
    inputs       integer[],
    arg_refs     json,
    extras       json,
    kind         text,
    first_child  integer,
    children     integer,
    returns      integer,
    role         text,
    is_closing   boolean,
    worker       text,
    counts_children boolean
);
comment on type given_step is 'A step that is to be inserted, while it is checked: its place among all steps of the call, its workflow and the number of it, and what write_steps takes.';


create table queue (
    step_id      bigint primary key,
    scheduled_at timestamptz not null,
    position     timestamptz not null,
    attempted_at timestamptz,
    ends_at      timestamptz,
    pool         bigint,
    token        uuid,
    attempt      integer not null default 0,
    priority     smallint not null,
    is_join      boolean not null default false,
    slot         smallint,
    units        integer,
    state        entry_state not null,
    queue        text collate "C" not null,
    lane         text collate "C",
    constraint queue_claim check ((state = 'executing') = (token is not null) and (token is null) = (pool is null))
) with (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.1,
    autovacuum_vacuum_cost_delay = 1
);
create index queue_available on queue (queue, priority, position, step_id) where state = 'available' and lane is null;
-- An entry of a queue without limits is in none of these four.
create index queue_laned on queue (queue, priority, lane, position, step_id) where state = 'available' and lane is not null;
create index queue_exempt on queue (queue, position) where state = 'available' and lane = '';
create index queue_slots on queue (queue, slot) where state = 'executing' and slot is not null;
create index queue_lanes on queue (queue, lane) where state = 'executing' and lane is not null;
create index queue_due on queue (scheduled_at) where state in ('scheduled', 'retryable');
create index queue_ending on queue (ends_at) where ends_at is not null;
create index queue_held on queue (pool, token) where state = 'executing';

comment on table queue is 'The entry of each step that may run, waits for a time or a signal, or runs. It is gone when the step is final.';
comment on column queue.step_id is 'The step it stands for (steps.id).';
comment on column queue.state is 'scheduled, available, executing, retryable, or waiting (for a signal, a message, a timer or another run, or until its run or worker is resumed; no pool claims it): the truth about the step while this row exists.';
comment on column queue.queue is 'The name of the queue it waits in.';
comment on column queue.lane is 'Its lane, if its queue had limits for lanes when it was released or claimed; - for a step without one. Empty: it runs no user code, and no limit holds for it. Else null.';
comment on column queue.units is 'How much a start uses of the rates of its queue; null for 1.';
comment on column queue.slot is 'While it executes: the part of its queue''s limit that it counts in; null if that has no limit. See queue_parts.';
comment on column queue.priority is 'Smaller is claimed first; strictly.';
comment on column queue.position is 'Order within a priority: release time, later for the n-th entry a workflow releases at once. It delays nothing.';
comment on column queue.scheduled_at is 'When it became available, or will.';
comment on column queue.ends_at is 'When upkeep ends the step, or looks at it again; null if only an event ends it.';
comment on column queue.attempt is 'Attempts counted since it last snoozed or kept a value; the claim counts.';
comment on column queue.attempted_at is 'When it was claimed last.';
comment on column queue.is_join is 'The step is a group whose children are final. The claim decides its outcome and is not an attempt.';
comment on column queue.pool is 'The worker pool that holds the claim; null unless executing.';
comment on column queue.token is 'The random token of the claim; null unless executing. An outcome counts only under this token.';


-- Senders write rows of these three tables and lock nothing else, so a transaction of the
-- application that stays open holds up no settle. What is new is found by upkeep, which applies it
-- under the lock of the workflow.
create table signals (
    workflow  bigint not null,
    step_id   bigint not null,
    sent_at   timestamptz,
    is_new    boolean not null default false,
    is_closed boolean not null default false,
    name      text collate "C" not null,
    key       text collate "C",
    value     json,
    primary key (workflow, name)
) with (fillfactor = 85);
create index signals_new on signals (step_id) where is_new;

comment on table signals is 'One row per step that waits for a signal, written with the step. It is locked by who sends one, and by upkeep before the time is up.';
comment on column signals.workflow is 'Key of the workflow.';
comment on column signals.step_id is 'The step (steps.id).';
comment on column signals.name is 'Its name, by which it is found.';
comment on column signals.sent_at is 'When it was sent; null until then.';
comment on column signals.key is 'What the sender named the signal, so that a repetition is recognised.';
comment on column signals.value is 'What was sent: the result of the step.';
comment on column signals.is_new is 'It was sent, and upkeep has not seen it.';
comment on column signals.is_closed is 'Its time was up before a signal came; a retry opens it again.';


create table messages (
    workflow bigint not null,
    id       bigint generated always as identity,
    sent_at  timestamptz not null default clock_timestamp(),
    seen_at  timestamptz,
    taken_by bigint,
    topic    text collate "C" not null,
    key      text collate "C" not null,
    value    json not null,
    primary key (workflow, id)
) with (fillfactor = 85);
create unique index messages_keyed on messages (workflow, topic, key);
create index messages_new on messages (workflow, id) where seen_at is null;
create index messages_open on messages (workflow, topic, seen_at, id) where taken_by is null and seen_at is not null;
create index messages_taken on messages (taken_by) where taken_by is not null;

comment on table messages is 'What was sent to the steps of a workflow that receive messages. Each is taken by one step.';
comment on column messages.workflow is 'Key of the workflow.';
comment on column messages.id is 'Drawn when it was sent.';
comment on column messages.sent_at is 'When it was sent.';
comment on column messages.seen_at is 'When upkeep saw it, after its commit: messages are taken in this order. Null until then.';
comment on column messages.taken_by is 'The step that took it; 0 if that step was retried by name, and forgot it. Null until then.';
comment on column messages.topic is 'Which steps may take it.';
comment on column messages.key is 'What the sender named it: of one key, a topic keeps the first message.';
comment on column messages.value is 'What was sent: the result of the step that takes it.';


create table receivers (
    workflow bigint not null,
    step_id  bigint not null,
    topic    text collate "C" not null,
    primary key (workflow, topic, step_id)
);

comment on table receivers is 'One row per step that waits for a message, or will: by topic, so that a message finds it.';
comment on column receivers.workflow is 'Key of the workflow.';
comment on column receivers.step_id is 'The step (steps.id).';
comment on column receivers.topic is 'The topic of which it takes a message.';


create table awaited_runs (
    step_id bigint primary key,
    run_key bigint,
    is_new  boolean not null default true,
    run_id  text collate "C" not null
) with (fillfactor = 85);
create index awaited_runs_by_run on awaited_runs (run_key);
create index awaited_runs_new on awaited_runs (step_id) where is_new;

comment on table awaited_runs is 'One row per step that waits for the end of another workflow.';
comment on column awaited_runs.step_id is 'The step (steps.id).';
comment on column awaited_runs.run_key is 'Key of the workflow that it waits for, once upkeep has found it.';
comment on column awaited_runs.is_new is 'Upkeep has to look at that workflow: it began to wait for it, or it has ended.';
comment on column awaited_runs.run_id is 'The id of the workflow that it waits for.';


create table unended_attempts (
    step_id bigint not null,
    token   uuid not null,
    pool    bigint not null,
    primary key (step_id, token)
);
create index unended_attempts_of_pool on unended_attempts (pool);

comment on table unended_attempts is 'Attempts whose claim is void but whose code may still run, of steps that a closing step or an undo cleans up after.';
comment on column unended_attempts.step_id is 'The step (steps.id).';
comment on column unended_attempts.token is 'The token of the claim.';
comment on column unended_attempts.pool is 'The pool that runs it: it removes the row when the attempt has ended, upkeep does when the pool is dead.';


create table kept (
    step_id bigint primary key,
    token   uuid not null,
    value   json not null
);

comment on table kept is 'What a step keeps from one attempt for the next. Deleted with the step.';
comment on column kept.step_id is 'The step (steps.id).';
comment on column kept.token is 'The claim of the attempt that kept it.';
comment on column kept.value is 'The value.';


create table debug_records (
    step_id     bigint not null,
    token       uuid not null,
    number      integer not null,
    attempt     integer not null,
    recorded_at timestamptz not null,
    kind        text not null,
    value       json not null,
    primary key (step_id, token, number)
);
create index debug_records_by_time on debug_records (recorded_at);

comment on table debug_records is 'What attempts of workflows with debug leave for people who look into them. It may hold personal data, so it has a grant of its own.';
comment on column debug_records.step_id is 'The step (steps.id).';
comment on column debug_records.token is 'The claim of the attempt.';
comment on column debug_records.number is 'The order within the attempt. Numbers may be missing.';
comment on column debug_records.attempt is 'Number of the attempt, as the claim counted it.';
comment on column debug_records.recorded_at is 'When it was recorded.';
comment on column debug_records.kind is 'What it is: arguments, results, log, dropped, or what the worker called it.';
comment on column debug_records.value is 'What was recorded, cut and redacted.';


create table used_units (
    step_id bigint not null,
    token   uuid not null,
    units   bigint not null,
    primary key (step_id, token)
);

comment on table used_units is 'How many units of the rates of its queue an attempt has really used, where it has said so. It was started with those of its step.';
comment on column used_units.step_id is 'The step (steps.id).';
comment on column used_units.token is 'The claim of the attempt.';
comment on column used_units.units is 'What counts; the rates were corrected by the difference.';


create table progress (
    step_id    bigint primary key,
    token      uuid not null,
    said_at    timestamptz not null,
    fraction   double precision,
    message    text
) with (fillfactor = 50);

comment on table progress is 'How far the attempt of a step is, as its worker says. It counts while its claim does.';
comment on column progress.step_id is 'The step (steps.id).';
comment on column progress.token is 'The claim of the attempt.';
comment on column progress.said_at is 'When the worker said so.';
comment on column progress.fraction is 'From 0 to 1; null if the worker gave none.';
comment on column progress.message is 'In words; null for none.';


create table model_calls (
    step_id              bigint not null,
    token                uuid not null,
    number               integer not null,
    attempt              integer not null,
    at                   timestamptz not null,
    input_tokens         bigint not null,
    cached_tokens        bigint not null,
    cache_written_tokens bigint not null,
    output_tokens        bigint not null,
    reasoning_tokens     bigint not null,
    first_chunk_seconds  double precision,
    is_cached            boolean not null,
    cost                 numeric,
    run_id               text collate "C" not null,
    run_name             text,
    step                 text collate "C" not null,
    worker               text collate "C" not null,
    model_asked          text collate "C",
    model                text collate "C",
    provider             text collate "C",
    finish_reason        text,
    price_version        text,
    primary key (step_id, token, number)
);
create index model_calls_by_time on model_calls (at);

comment on table model_calls is 'One row per call of a language model that a worker recorded, whatever became of its attempt. Deleted with the workflow, or later if a pool keeps usage longer.';
comment on column model_calls.step_id is 'The step (steps.id); it may be gone, as that of an earlier round.';
comment on column model_calls.token is 'The claim of the attempt that called.';
comment on column model_calls.number is 'The order within the attempt. Numbers may be missing.';
comment on column model_calls.attempt is 'Number of the attempt, as the claim counted it.';
comment on column model_calls.at is 'When it was called.';
comment on column model_calls.input_tokens is 'All input tokens, with those read from a cache of the provider or written to it.';
comment on column model_calls.cached_tokens is 'Input tokens that the provider read from its cache.';
comment on column model_calls.cache_written_tokens is 'Input tokens that the provider wrote to its cache.';
comment on column model_calls.output_tokens is 'All output tokens, with those of the reasoning.';
comment on column model_calls.reasoning_tokens is 'Output tokens of the model''s reasoning.';
comment on column model_calls.first_chunk_seconds is 'From the request to the first chunk of a stream; null if that was not recorded.';
comment on column model_calls.is_cached is 'The application answered from a cache of its own, and called nothing.';
comment on column model_calls.cost is 'In US dollars, by the prices at that time; null if nobody knew. It is never calculated again.';
comment on column model_calls.run_id is 'The id of the workflow, which may be gone.';
comment on column model_calls.run_name is 'The name of the workflow; null for none.';
comment on column model_calls.step is 'The name of the step.';
comment on column model_calls.worker is 'The worker of the step.';
comment on column model_calls.model_asked is 'The model that was asked.';
comment on column model_calls.model is 'The model that answered.';
comment on column model_calls.provider is 'Who ran the model; null if that is not known.';
comment on column model_calls.finish_reason is 'Why the model stopped, as the provider says it.';
comment on column model_calls.price_version is 'Which prices the cost is by; null if it is unknown.';


create table streams (
    workflow       bigint not null,
    last           bigint not null default 0,
    followed_until timestamptz,
    name           text collate "C" not null,
    primary key (workflow, name)
) with (fillfactor = 50);

comment on table streams is 'One row per stream of a workflow to which something was published, or that is followed. Its writers lock it.';
comment on column streams.workflow is 'Key of the workflow.';
comment on column streams.name is 'What the worker calls it.';
comment on column streams.last is 'Number of the last item; 0 for none.';
comment on column streams.followed_until is 'Somebody follows it until then, so that what is published is announced.';


create table stream_chunks (
    workflow bigint not null,
    number   bigint not null,
    step_id  bigint not null,
    token    uuid not null,
    attempt  integer not null,
    round    integer not null,
    record   integer not null,
    is_anew  boolean not null,
    is_kept  boolean not null default false,
    stream   text collate "C" not null,
    items    json not null,
    primary key (workflow, stream, number)
);
create index stream_chunks_of_step on stream_chunks (step_id, stream, number);

comment on table stream_chunks is 'What workers published: the items that one attempt published to one stream within a moment.';
comment on column stream_chunks.workflow is 'Key of the workflow.';
comment on column stream_chunks.stream is 'Name of the stream.';
comment on column stream_chunks.number is 'Number of its first item in the stream; the others follow.';
comment on column stream_chunks.step_id is 'The step (steps.id).';
comment on column stream_chunks.token is 'The claim of the attempt.';
comment on column stream_chunks.attempt is 'Number of the attempt, as the claim counted it.';
comment on column stream_chunks.round is 'The round of the step.';
comment on column stream_chunks.record is 'The order within the attempt, by which a repeated call is recognised.';
comment on column stream_chunks.is_anew is 'What an earlier attempt of the step published holds no longer, and was deleted.';
comment on column stream_chunks.is_kept is 'The attempt snoozed or began another round: the next one goes on.';
comment on column stream_chunks.items is 'A list of JSON values.';


create table budgets (
    name         text collate "C" not null,
    period       text collate "C" not null,
    workflow     bigint,
    touched_at   timestamptz not null default clock_timestamp(),
    spent_cost   numeric not null default 0,
    spent_tokens bigint not null default 0,
    unpriced     integer not null default 0,
    cost         numeric,
    tokens       bigint,
    primary key (name, period)
) with (fillfactor = 50);
create index budgets_of_workflow on budgets (workflow) where workflow is not null;

comment on table budgets is 'What was spent of each budget of calls of language models, from its first reservation or call on. The row is the lock of the budget.';
comment on column budgets.name is 'run, key of the workflow, and group; or key or tag, and its value, of a budget that runs share.';
comment on column budgets.period is 'When its hour, day or month began, in its time zone; empty for a budget that does not begin anew.';
comment on column budgets.workflow is 'Key of the workflow whose budget it is; null for a shared one.';
comment on column budgets.touched_at is 'When something was spent of it, or it was raised.';
comment on column budgets.spent_cost is 'In US dollars. A call without a price counts as what its attempt had reserved.';
comment on column budgets.spent_tokens is 'Of input and output.';
comment on column budgets.unpriced is 'How many calls have no price, and no reservation that could stand for it: the sum is unknown.';
comment on column budgets.cost is 'What its limit in dollars was raised to; null if it was not.';
comment on column budgets.tokens is 'What its limit in tokens was raised to; null if it was not.';


create table budget_reservations (
    name         text collate "C" not null,
    period       text collate "C" not null,
    step_id      bigint not null,
    token        uuid not null,
    cost         numeric not null,
    tokens       bigint not null,
    spent_cost   numeric not null default 0,
    spent_tokens bigint not null default 0,
    primary key (name, period, step_id, token)
) with (fillfactor = 85);
create index budget_reservations_of_step on budget_reservations (step_id);

comment on table budget_reservations is 'What attempts have reserved of budgets. A row counts only while its claim holds the step, whatever becomes of the attempt; later ones remove it.';
comment on column budget_reservations.name is 'Name of the budget.';
comment on column budget_reservations.period is 'Period of the budget.';
comment on column budget_reservations.step_id is 'The step (steps.id).';
comment on column budget_reservations.token is 'The claim of the attempt.';
comment on column budget_reservations.cost is 'Its estimate in US dollars.';
comment on column budget_reservations.tokens is 'Its estimate in tokens.';
comment on column budget_reservations.spent_cost is 'What the attempt has spent of it, which budgets.spent_cost has already.';
comment on column budget_reservations.spent_tokens is 'The same in tokens.';


create table budget_waits (
    name    text collate "C" not null,
    period  text collate "C" not null,
    step_id bigint not null,
    since   timestamptz not null default clock_timestamp(),
    is_held boolean not null,
    primary key (name, period, step_id)
);
create index budget_waits_of_step on budget_waits (step_id);

comment on table budget_waits is 'Steps that wait for room in a budget: they are started when some may have become free.';
comment on column budget_waits.name is 'Name of the budget.';
comment on column budget_waits.period is 'Period of the budget.';
comment on column budget_waits.step_id is 'The step (steps.id).';
comment on column budget_waits.since is 'When it asked first.';
comment on column budget_waits.is_held is 'It would fit if other attempts had not reserved; else only a raise, or a new period, helps.';


create table deadlines (
    step_id bigint not null,
    due_at  timestamptz not null,
    kind    deadline_kind not null,
    primary key (step_id, kind)
);
create index deadlines_due on deadlines (due_at);

comment on table deadlines is 'What upkeep is to end at a time: one row per deadline that began, and per scope whose steps are to be cancelled in a call of their own. A row whose step has ended meanwhile is deleted when it is due.';
comment on column deadlines.step_id is 'The step (steps.id); of a whole workflow its first step.';
comment on column deadlines.due_at is 'When it is to be ended.';
comment on column deadlines.kind is 'end: the deadline of a step or group. start: that of its first start. run: of the workflow. sweep group, sweep run: `ending` is written, and the steps are to be cancelled.';


create table pools (
    id               bigint generated always as identity primary key,
    started_at       timestamptz not null default clock_timestamp(),
    beat_at          timestamptz not null default clock_timestamp(),
    previous_beat_at timestamptz not null default clock_timestamp(),
    expires_at       timestamptz not null,
    dead_at          timestamptz,
    beats            bigint not null default 0,
    pid              integer not null,
    host             text not null,
    name             text not null,
    queues           text[] not null,
    limits           integer[] not null,
    workers          text[] not null,
    failures         text[] not null default '{}',
    tokens           uuid[] not null default '{}'
) with (fillfactor = 50);

comment on table pools is 'One row per worker pool: a process that registered to run steps, and its lease.';
comment on column pools.id is 'Drawn when it registers. A process that registers again gets another one.';
comment on column pools.started_at is 'When it registered.';
comment on column pools.beat_at is 'When it last renewed its lease.';
comment on column pools.previous_beat_at is 'When it renewed its lease before that.';
comment on column pools.expires_at is 'When its lease ends unless renewed; after that it is marked dead.';
comment on column pools.dead_at is 'When it left or was marked dead. It stays dead, and its entries are rescued.';
comment on column pools.beats is 'Number of its latest heartbeat; one with a smaller number comes too late.';
comment on column pools.pid is 'Process id on its host.';
comment on column pools.host is 'Name of its host.';
comment on column pools.name is 'The name that the application gave it.';
comment on column pools.queues is 'The queues it serves.';
comment on column pools.limits is 'How many steps of each of these queues it runs at once.';
comment on column pools.workers is 'The workers it knows.';
comment on column pools.failures is 'What fails in it as of its latest heartbeat, a sentence each: parts of upkeep, and rows that it passes over.';
comment on column pools.tokens is 'Claim tokens it held or had in flight at its latest heartbeat.';


create table schedules (
    name       text collate "C" primary key,
    workflow   text not null,
    cron       text,
    every      double precision,
    timezone   text not null,
    overlap    text not null,
    catch_up   double precision not null,
    jitter     double precision not null,
    version    bigint not null default 1,
    next_at    timestamptz,
    due_at     timestamptz,
    last_at    timestamptz,
    last_run   text,
    is_waiting boolean not null default false,
    fired      bigint not null default 0,
    skipped    bigint not null default 0,
    missed     bigint not null default 0,
    missed_at  timestamptz,
    failures   integer not null default 0,
    error      text,
    paused_at  timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    changed_at timestamptz not null default clock_timestamp(),
    constraint schedule_timing check ((cron is null) <> (every is null)),
    -- Clients could not read others.
    constraint schedule_times check (
        next_at between '1900-01-01 00:00Z' and '9001-01-01 00:00Z' and due_at between '1900-01-01 00:00Z' and '9001-01-01 00:00Z'
    ),
    constraint schedule_overlap check (overlap in ('skip', 'allow', 'replace', 'queue one'))
) with (fillfactor = 70);
create index schedules_due on schedules (due_at) where paused_at is null;

comment on table schedules is 'Workflows that are inserted again and again. Upkeep of any worker pool fires what is due.';
comment on column schedules.name is 'Its name; a run of the slot at 03:00 has the id name@2026-11-28T03:00+01:00.';
comment on column schedules.workflow is 'The workflow as Baton.to_template wrote it; a run is made of it for each slot.';
comment on column schedules.cron is 'When, as five or six fields of cron; null if it has every.';
comment on column schedules.every is 'Seconds from one slot to the next; null if it has cron.';
comment on column schedules.timezone is 'IANA name of the time zone that cron is read in, and that ids are written in.';
comment on column schedules.overlap is 'If the run of an earlier slot is not final: skip the slot, allow both, replace the earlier run, or queue one until it is.';
comment on column schedules.catch_up is 'Seconds by which a slot may be late and still run; one that is later is missed.';
comment on column schedules.jitter is 'Seconds over which slots are spread, each by a fixed part of it.';
comment on column schedules.version is 'Raised by each change, so that nothing fires by what was read before.';
comment on column schedules.next_at is 'The next slot; null if there is none.';
comment on column schedules.due_at is 'When to fire it: the slot plus jitter, or later after a failure or while an earlier run is waited for.';
comment on column schedules.last_at is 'The last slot that was fired.';
comment on column schedules.last_run is 'The id of its run.';
comment on column schedules.is_waiting is 'The next slot waits for the end of the last run.';
comment on column schedules.fired is 'How many slots were fired.';
comment on column schedules.skipped is 'How many slots were skipped because an earlier run was not final.';
comment on column schedules.missed is 'How many slots were missed: they were found later than catch_up.';
comment on column schedules.missed_at is 'The last slot that was missed.';
comment on column schedules.failures is 'How often in a row the next slot could not be fired.';
comment on column schedules.error is 'Why; null if the last one could be.';
comment on column schedules.paused_at is 'When it was paused; nothing fires until it is resumed.';
comment on column schedules.created_at is 'When it was made.';
comment on column schedules.changed_at is 'When what it says was changed last.';


create table paused_starts (
    subject   text collate "C" primary key,
    paused_at timestamptz not null default clock_timestamp()
);

comment on table paused_starts is 'One row per paused run and per paused worker: none of their steps starts until the row is gone. While the table is empty, a claim reads nothing else of pauses.';
comment on column paused_starts.subject is 'run and the key of the workflow, or worker and its name.';
comment on column paused_starts.paused_at is 'When it was paused first; pausing it again changes nothing.';


create table paused_steps (
    step_id bigint primary key
);

comment on table paused_steps is 'One row per step that a claim met and put aside, because its run or worker is paused. Its entry is waiting until that is resumed.';
comment on column paused_steps.step_id is 'The step (steps.id). Its entry may be gone: it was cancelled meanwhile.';


create table queue_settings (
    queue        queue_name primary key,
    paused_at    timestamptz,
    has_limits   boolean not null default false,
    is_laned     boolean not null default false,
    running      integer,
    starts       double precision,
    per          double precision,
    burst        double precision,
    lane_running integer,
    lane_starts  double precision,
    lane_per     double precision,
    lane_burst   double precision,
    constraint queue_rate check (num_nulls(starts, per, burst) in (0, 3)),
    constraint lane_rate check (num_nulls(lane_starts, lane_per, lane_burst) in (0, 3))
);

comment on table queue_settings is 'What holds for a queue: whether it is paused, and its limits. A queue that never had any has no row, and its claims read no other table.';
comment on column queue_settings.queue is 'The queue; there need not be an entry in it, nor a pool that serves it.';
comment on column queue_settings.paused_at is 'When it was paused first, pausing it again changes nothing; null unless it is. Its entries stay where they are, and no claim takes one.';
comment on column queue_settings.has_limits is 'It has limits or had some once. Then the row stays, because entries may still have a lane.';
comment on column queue_settings.is_laned is 'Its entries get their lanes when they are released.';
comment on column queue_settings.running is 'How many of its steps execute at once, over all pools; null for no limit.';
comment on column queue_settings.starts is 'How many units may start in per seconds; null for no limit.';
comment on column queue_settings.per is 'Seconds.';
comment on column queue_settings.burst is 'How many units may start at once after a rest.';
comment on column queue_settings.lane_running is 'How many steps of each lane execute at once; null for no limit.';
comment on column queue_settings.lane_starts is 'How many units of each lane may start in lane_per seconds; null for no limit.';
comment on column queue_settings.lane_per is 'Seconds.';
comment on column queue_settings.lane_burst is 'How many units of a lane may start at once after a rest.';


create table queue_parts (
    queue queue_name,
    part  smallint,
    size  integer not null,
    primary key (queue, part)
);

comment on table queue_parts is 'The limit of what executes in a queue, cut into parts that claims lock apart. No counter: what executes is counted under the lock.';
comment on column queue_parts.queue is 'The queue.';
comment on column queue_parts.part is 'Its number, from 1.';
comment on column queue_parts.size is 'How many steps may execute in this part. The sizes of a queue add up to its limit.';


create table queue_rates (
    queue queue_name primary key,
    spent timestamptz not null
) with (fillfactor = 10);

comment on table queue_rates is 'How far the rate of a queue is used up.';
comment on column queue_rates.queue is 'The queue.';
comment on column queue_rates.spent is 'The time at which everything that was started is earned again. A time that is past means a full burst.';


create table lane_rates (
    queue queue_name,
    lane  lane_name,
    spent timestamptz not null,
    primary key (queue, lane)
) with (fillfactor = 50);

comment on table lane_rates is 'How far the rates of lanes are used up. A row whose time is past says nothing, and upkeep deletes it.';
comment on column lane_rates.queue is 'The queue.';
comment on column lane_rates.lane is 'The lane.';
comment on column lane_rates.spent is 'As in queue_rates.';


create table paused_lanes (
    queue     queue_name,
    lane      lane_name,
    paused_at timestamptz not null default clock_timestamp(),
    primary key (queue, lane)
);

comment on table paused_lanes is 'One row per paused lane of a queue: no claim takes an entry of it until the row is gone.';
comment on column paused_lanes.queue is 'The queue.';
comment on column paused_lanes.lane is 'The lane.';
comment on column paused_lanes.paused_at is 'When it was paused first; pausing it again changes nothing.';


create table interventions (
    id       bigint generated always as identity primary key,
    workflow bigint,
    at       timestamptz not null default clock_timestamp(),
    changed  integer,
    action   text collate "C" not null,
    subject  text collate "C",
    role     text not null,
    actor    text,
    steps    text[],
    reason   text,
    options  json
);
create index interventions_of_workflow on interventions (workflow, at);

comment on table interventions is 'One row per call that changed a workflow, a queue or a schedule by somebody''s decision. Deleted with the workflow; the others as old workflows are.';
comment on column interventions.id is 'Drawn when it was noted.';
comment on column interventions.workflow is 'Key of the workflow; null for a queue or a schedule.';
comment on column interventions.at is 'When.';
comment on column interventions.changed is 'How many steps it changed; null if it does not change steps.';
comment on column interventions.action is 'What: retry, cancel, complete, skip, start_now, signal, send, reuse, pause, resume, schedule and the like.';
comment on column interventions.subject is 'The queue or the schedule; null for a workflow.';
comment on column interventions.role is 'The database role that called.';
comment on column interventions.actor is 'Who, as the application said; null if it did not.';
comment on column interventions.steps is 'The steps that were named, the first hundred; null for the whole workflow.';
comment on column interventions.reason is 'Why, as the caller said.';
comment on column interventions.options is 'The options of the call, those that were given.';


create view steps_view as
select w.id as workflow_id,
       w.name as workflow_name,
       s.name,
       case when q.step_id is null then s.state else q.state end as state,
       s.worker,
       coalesce(q.attempt, s.attempt) as attempt,
       s.max_attempts,
       s.pending,
       array(
           select d.name
             from unnest(s.dependencies) with ordinality as o(ordinal, n)
             join steps d on d.id = sibling_of(s.id, o.ordinal)
            order by o.n
       ) as dependencies,
       array(
           select case
                      when b.bits & 8 <> 0 then 'observed'
                      when b.bits <> 0 then 'optional'
                      else 'required'
                  end
             from generate_subscripts(s.dependencies, 1) as n
            cross join lateral (
                      select coalesce(
                                 s.edges[n],
                                 s.ignore_cancelled::integer + s.ignore_discarded::integer
                                 + s.ignore_skipped::integer
                             )
                  ) as b(bits)
            order by n
       ) as edges,
       s.queue,
       s.lane,
       s.units,
       s.priority,
       coalesce(q.pool, s.pool) as pool,
       coalesce(q.scheduled_at, s.scheduled_at) as scheduled_at,
       coalesce(q.attempted_at, s.attempted_at) as attempted_at,
       q.ends_at,
       s.finished_at,
       s.reason,
       s.result,
       s.errors,
       s.args,
       s.refusals,
       s.grouping,
       s.children,
       s.concurrency,
       s.parent,
       s.returns,
       s.role,
       s.is_last,
       s.dependents,
       s.awaits,
       p.fraction as progress,
       p.message as progress_message,
       s.id
  from workflows w
  -- `offset 0` makes the planner go by primary key. It estimates the size of a range from that of
  -- the table, and would read all of a table to show a workflow of four steps.
  join lateral (
           select r.id, r.name, r.state, r.worker, r.attempt, r.max_attempts, r.pending, r.dependencies, r.queue,
                  r.lane, r.units, r.priority, r.pool, r.scheduled_at, r.attempted_at, r.finished_at, r.reason, r.result, r.errors,
                  r.args, r.refusals, r.grouping, r.children, r.concurrency, r.parent, r.returns, r.role, r.is_last,
                  r.dependents, r.edges, r.ignore_cancelled, r.ignore_discarded, r.ignore_skipped,
                  r.awaits
             from steps r
            where r.id >= step_of(w.key, 0) and r.id < step_of(w.key + 1, 0)
           offset 0
       ) s on true
  left join lateral (
           select e.step_id, e.state, e.attempt, e.pool, e.scheduled_at, e.attempted_at, e.ends_at, e.token
             from queue e
            where e.step_id = s.id
           offset 0
       ) q on true
  left join lateral (
           select g.fraction, g.message from progress g where g.step_id = q.step_id and g.token = q.token offset 0
       ) p on true;

comment on view steps_view is 'Each step with its true state: the one to read. Narrow it by workflow_id.';
comment on column steps_view.progress is 'How far the running attempt is, from 0 to 1, if its worker says so.';
comment on column steps_view.edges is 'Parallel to dependencies. required: it runs only if that completed; optional: an ignored end counts as done, too; observed: it waits for the end, whatever that is.';


create view queue_view as
select q.queue,
       q.lane,
       q.state,
       w.id as workflow_id,
       w.name as workflow_name,
       s.name,
       s.worker,
       q.is_join,
       q.attempt,
       s.max_attempts,
       q.priority,
       q.scheduled_at,
       q.attempted_at,
       q.ends_at,
       q.pool,
       p.name as pool_name,
       s.reason,
       q.position,
       q.step_id
  from queue q
  join steps s on s.id = q.step_id
  join workflows w on w.key = workflow_of(q.step_id)
  left join pools p on p.id = q.pool;

comment on view queue_view is 'What runs or may run, over all workflows: each entry of queue with its names.';
