"""What can go wrong with the workers' processes: they are killed, told to stop, held, or one less for a while."""

from simulation.faults.fault import LONG, SHORT, Fault
from simulation.faults.group_faults import disturb
from simulation.faults.modes import brokers_mode, letters_mode, some_share


def _node(world, draw):
    return draw.choice(world.nodes)


def _kill(world, draw):
    node = _node(world, draw)
    if node.worker is not None and len(node.worker.letters):
        world.count("killed with dead letters under way")
    node.kill()
    return node.restart


def _kill_with_letters(world, draw):
    late = letters_mode("late")(world, draw)
    having = [node for node in world.nodes if node.at_work and len(node.worker.letters)]
    if not having:
        return late
    world.count("killed with dead letters under way")
    node = draw.choice(having)
    node.kill()

    def end():
        late()
        node.restart()

    return end


def _stop(world, draw):
    node = _node(world, draw)
    if node.at_work and "commit fails" in world.cluster.modes:
        world.count("told to stop while commits fail")
    if node.at_work and not world.cluster.coordinator.stable:
        world.count("told to stop during a rebalance")
    node.terminate()


def _stop_while_commits_fail(world, draw):
    end = brokers_mode("commit fails", some_share)(world, draw)
    _stop(world, draw)
    return end


def _stop_during_a_rebalance(world, draw):
    disturb(world, draw)
    world.loop.outside(draw.random() * 0.2, _stop, world, draw)


def _stop_twice(world, draw):
    node = _node(world, draw)
    node.terminate()
    return node.terminate


def _pause(world, draw):
    node = _node(world, draw)
    process = node.process
    if process is None or process.dead:
        return None
    process.pause()
    return process.resume


def _leave_for_long(world, draw):
    node = _node(world, draw)
    node.wanted = False
    node.terminate()

    def back():
        node.wanted = True
        node.restart()

    return back


PROCESS_FAULTS = (
    Fault("kill -9", 2.0, _kill, (0.1, 1.0, 5.0, 20.0)),
    Fault(
        "kill -9 with dead letters under way",
        0.3,
        _kill_with_letters,
        SHORT,
        shows=("killed with dead letters under way",),
        again=0.25,
    ),
    Fault("SIGTERM", 1.5, _stop),
    Fault(
        "SIGTERM while commits fail",
        0.3,
        _stop_while_commits_fail,
        shows=("told to stop while commits fail",),
        again=1.0,
    ),
    Fault(
        "SIGTERM during a rebalance",
        0.3,
        _stop_during_a_rebalance,
        shows=("told to stop during a rebalance",),
        again=3.0,
    ),
    Fault("SIGTERM twice", 0.3, _stop_twice, (0.0, 0.1, 2.0)),
    Fault("SIGSTOP", 1.0, _pause, LONG),
    Fault("one worker less for a while", 0.5, _leave_for_long, LONG),
)
