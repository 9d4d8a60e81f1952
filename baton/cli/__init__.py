"""The command line, `baton`: one file of `baton.cli.commands` for each command.

    migrate   create the schema, or bring it up to date
    worker    run the steps of the workers a module defines
    insert    insert a workflow from a template, with values in its holes
    list      list workflows, the newest first
    show      draw a workflow's steps, or print everything about one
    explain   say why a workflow, or a step of it, is where it is
    usage     print what calls of language models used and cost
    cancel    cancel a workflow, or some of its steps
    retry     open discarded and cancelled steps again
    complete  complete a step with a value, without running it
    skip      skip a step: it ends without running, and fails nothing
    start-now let steps start that wait for a time
    signal    answer a step that waits for a signal
    send      send a message to the steps that receive those of a topic
    queues    list the queues: what waits and runs in each, and which pools serve it
    schedules list the schedules, and pause, resume, run or delete one
    limits    list the limits of queues, and set or remove those of one
    pause     stop the start of steps of a queue, on every machine
    resume    let a paused queue go on
    web       serve the dashboard
    doctor    say what is wrong with an installation, and what to do
    demo      count the standard library in a workflow of two hundred steps

`main` reads the command line and runs one of them. Only the command that runs is imported.
"""
