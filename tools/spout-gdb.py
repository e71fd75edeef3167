"""Coroutines in gdb: `source tools/spout-gdb.py`, then

    spout tasks            every task of the current thread's loop, as spout_tasks_dump lists them
    spout backtrace [N]    where task N (of that list, from 0) is, or all of them

Works on a process that has stopped, not on a core file: the two registers that say where a thread is are changed, and put back.
"""

import gdb


def container(node, kind, member):
    struct = gdb.lookup_type(kind)
    offset = next(field.bitpos // 8 for field in struct.fields() if field.name == member)
    return (node.cast(gdb.lookup_type("char").pointer()) - offset).cast(struct.pointer())


def loop_of_thread():
    loop = gdb.parse_and_eval("spi_loop_of_thread")
    if not int(loop):
        raise gdb.GdbError("this thread has no loop")
    return loop


def tasks():
    head = loop_of_thread()["tasks"].address
    node = head.dereference()["next"]
    while int(node) != int(head):
        yield container(node, "spi_task", "node")
        node = node.dereference()["next"]


def describe(number, task):
    what = task["what"].string() if int(task["what"]) else str(task["state"]).replace("SPI_TASK_", "").lower()
    return f"#{number} {task['name'].string()} ({what})"


def resume_address():
    """Behind the change of the stack pointer in spi_switch_stacks: there the call frame information fits a saved one."""
    start = int(gdb.parse_and_eval("(unsigned long)&spi_switch_stacks"))
    code = gdb.selected_inferior().architecture() if hasattr(gdb.selected_inferior(), "architecture") \
        else gdb.newest_frame().architecture()
    for line in code.disassemble(start, start + 160):
        text = line["asm"].replace("%", "").replace(" ", "").replace("\t", "")
        if text in ("movrsi,rsp", "movsp,x1", "movrsp,rsi"):
            return int(line["addr"]) + int(line["length"])
    raise gdb.GdbError("only where coroutines switch by our assembly")


def show_backtrace(task, current):
    if int(task) == int(current):
        gdb.execute("backtrace")
        return
    pointer = int(task["point"]["sp"])
    gdb.execute("frame level 0", to_string=True)
    saved = [(name, int(gdb.parse_and_eval(name).cast(gdb.lookup_type("long")))) for name in ("$sp", "$pc")]
    try:
        gdb.execute(f"set $sp = {pointer:#x}")
        gdb.execute(f"set $pc = {resume_address():#x}")
        gdb.execute("backtrace")
    finally:
        for name, value in saved:
            gdb.execute(f"set {name} = {value:#x}")


class Spout(gdb.Command):
    """Coroutines: `spout tasks`, `spout backtrace [N]`."""

    def __init__(self):
        super().__init__("spout", gdb.COMMAND_STACK, prefix=True)


class Tasks(gdb.Command):
    """Lists the coroutines of the current thread's loop."""

    def __init__(self):
        super().__init__("spout tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for number, task in enumerate(tasks()):
            print(describe(number, task))


class Backtrace(gdb.Command):
    """Shows where a coroutine is, or all of them."""

    def __init__(self):
        super().__init__("spout backtrace", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        current = loop_of_thread()["current"]
        for number, task in enumerate(tasks()):
            if argument and int(argument) != number:
                continue
            print(describe(number, task))
            show_backtrace(task, current)


Spout()
Tasks()
Backtrace()
