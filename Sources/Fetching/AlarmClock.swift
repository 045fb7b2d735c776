// One thread that does things later: deadlines of waiting readers, pauses before a retry.
//
// What is scheduled runs on the clock's thread and must be short. Nothing is ever taken back: a
// deadline that no longer matters finds nothing to do.

internal import Platform

/// Runs closures at instants.
final class AlarmClock: Sendable {
    private struct Alarm: Sendable {
        let instant: MonotonicInstant
        let action: @Sendable () -> Void
    }

    private let incoming: Mailbox<Alarm>
    private let thread: ThreadBox

    init(_ scheduling: Scheduling = .system) throws(Errno) {
        let incoming = Mailbox<Alarm>(scheduling)
        self.incoming = incoming
        thread = try ThreadBox(named: "alarm clock", scheduling) {
            AlarmClock.run(incoming, scheduling)
        }
    }

    /// Has `action` called at `instant`, or never if the clock is closed before.
    func at(_ instant: MonotonicInstant, _ action: @escaping @Sendable () -> Void) {
        incoming.send(Alarm(instant: instant, action: action))
    }

    /// Ends the thread; what is still to come is dropped.
    func close() {
        incoming.close()
        thread.join()
    }

    private static func run(_ incoming: Mailbox<Alarm>, _ scheduling: Scheduling) {
        // A binary heap by instant: the earliest is first.
        var heap: [Alarm] = []
        while true {
            let next = heap.first?.instant ?? scheduling.now + 3600
            if let alarm = incoming.receive(until: next) {
                push(alarm, &heap)
            } else if incoming.isClosed {
                return
            }
            let now = scheduling.now
            while let first = heap.first, first.instant <= now {
                pop(&heap)
                first.action()
            }
        }
    }

    private static func push(_ alarm: Alarm, _ heap: inout [Alarm]) {
        heap.append(alarm)
        var index = heap.count - 1
        while index > 0, heap[index].instant < heap[(index - 1) / 2].instant {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private static func pop(_ heap: inout [Alarm]) {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < heap.count && heap[child].instant < heap[least].instant {
                least = child
            }
            if least == index { return }
            heap.swapAt(index, least)
            index = least
        }
    }
}
