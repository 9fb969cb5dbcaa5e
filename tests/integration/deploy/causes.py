"""Every alert, with the real cause that makes it arrive and the run that shows it.

A run asserts that exactly these arrived, and before its causes nothing: ``tests/unit/deploy/test_causes.py``
holds the table against the rules.
"""

from __future__ import annotations

DAY = "day: a gateway on a disk that slows down and fills up, and the broker simulator"
GATE = "gate: a gateway with tight limits, the broker simulator and a recorder"
BROKER = "broker: a gateway with a broker of plain sockets and the simulator's drop copy"
ROLES = "roles: feed, runner, gateway and broker simulator, with a desk's own policies and models"

CAUSES: dict[str, dict[str, str]] = {
    DAY: {
        "ParentWillNotFinish": "nobody works a parent until four fifths of its window are over",
        "MarketHalted": "the facts of the market say that trading is halted",
        "JournalSlow": "the disk takes 0.3 s to sync the journal (strace delays fdatasync)",
        "OrdersWaitForDisk": "the disk takes 4.5 s to sync the journal, and orders keep coming",
        "RunnerLost": "a runner falls silent with an order at work",
        "DeadLetters": "a message that is none comes on a topic",
        "VenueDown": "a venue says nothing for a minute of market time, and the feed's heartbeats go on",
        "KillEngaged": "a person kills everything",
        "JournalFailed": "the disk is full: a limit on the size of the gateway's files",
        "RoleDown": "the broker simulator is killed",
        "FixSessionLost": "and the session to it with it",
    },
    GATE: {
        "OrderPathSlow": "the gateway is stopped (SIGSTOP) for 0.4 s while a runner sends orders",
        "LossWarned": "500 lots are bought and the market falls by 1 %: 63 % of the policy's daily loss",
        "LossStopped": "it falls by 2 %: more than the policy's daily loss",
        "LimitHalfUsed": "an order takes the long position and what may add to it to 65 % of its limit",
        "LimitWarned": "the same order passes half of that limit",
        "LimitNearlyUsed": "a second order takes it to 90 %",
        "OrderBlocked": "an order is larger than the soft limit",
        "ThrottleTripped": "a policy sends more than its 20 orders in a minute",
        "DenialsHigh": "its runner goes on sending after the throttle",
        "DenialStorm": "and sends 1,500 orders more",
        "RecorderBehind": "a recorder that is set to write files only now and then gets 110,000 records",
        "LoopLate": "the recorder is stopped and let go (SIGSTOP, SIGCONT) time and again",
        "JournalLarge": "all this is more than a journal of 256 KiB may have",
        "RecordDropped": "Kafka hangs (SIGSTOP) while a gateway that may hold 1,000 records has more",
        "RoleDown": "the gateway is killed",
        "RecordGap": "its next life can make good for 1,000 records, and Kafka lacks more",
    },
    BROKER: {
        "ClockTrouble": "the gateway wants a clock that the kernel vouches for to a microsecond",
        "BrokerSlow": "the broker acknowledges each order after 1.6 s",
        "BrokerMessageUnusable": "the broker refuses an order with a BusinessMessageReject (35=j)",
        "Break": "the broker reports an order that nobody sent",
        "BreakOpen": "the broker tells of a fill that its drop copy does not tell",
        "UnknownOutcomes": "the broker reports an order of ours with the other side",
        "BrokerMustBeAsked": "and is a broker that answers no question about orders",
        "KillEngaged": "a person kills everything",
        "GatewayAlarm": "the broker refuses the kill's mass cancel: an alarm without a rule of its own",
        "KillIncomplete": "the broker does not answer the kill's cancels for ten seconds",
        "DropCopyDown": "the drop copy's process is killed",
        "DropCopyLost": "and stays away",
        "RoleDown": "its metrics are gone, too",
    },
    ROLES: {
        "MarketDataStale": "Kafka hangs for thirteen seconds (SIGSTOP): no heartbeat reaches the runner",
        "FeedBehind": "the feed waits for the same Kafka",
        "FeedStuck": "and publishes nothing for five seconds",
        "RunnerConflates": "the runner is stopped and let go (SIGSTOP, SIGCONT): a lot comes at once",
        "RunnerBehind": "and is old by then",
        "ParentStopped": "a policy raises an exception",
        "IntentsUnusable": "a policy returns intents that are none",
        "ModelBroken": "a model answers outside of the range that its manifest allows",
        "ModelOverBudget": "a model needs longer than its budget of ten microseconds",
        "ModelFallbacks": "placements serve in place of both",
        "ModelInputsDrift": "a model was trained on another market than this one",
        "ParentOffSchedule": "a parent's limit price is beyond the market: it plans and cannot trade",
        "RoleDown": "Kafka is stopped, and the runner is killed",
        "RunnerLost": "with orders at work",
        "RunnerOutOfStep": "its next life gets nowhere without Kafka, so not to the gateway",
        "MarketDataUnowned": "it owns no partition",
        "ParentsUnattended": "and knows none of the parents",
    },
}
