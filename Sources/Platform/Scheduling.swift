// Where threads come from, what they wait on and what time it is: a value that modules are made
// with.
//
// The programs use the system's threads and clocks, and pay for this with one comparison with nil.
// A simulation gives a scheduler of its own: it runs one thread at a time, in an order that it
// chooses, and its clock stands still but for what it adds. All that waits in the modules that take
// this value waits in a `Mailbox` or for the end of a `Thread`, which is what makes that possible.

/// A scheduler in place of the system's.
///
/// Every method is called by threads that it started itself, except the first of a simulation.
package protocol ThreadScheduler: AnyObject, Sendable {
    /// The present of the monotonic clock.
    var now: MonotonicInstant { get }
    /// Nanoseconds since 1970 of the wall clock, which may jump.
    var wallNanoseconds: Int64 { get }
    /// Runs `body` on a thread of its own, which the returned closure waits for.
    func start(
        named name: String, _ body: @escaping @Sendable () -> Void
    ) throws(Errno) -> @Sendable () -> Void
    /// Waits until `wake` is called for the same object, or until `deadline`.
    ///
    /// May return early, without either. No lock is held meanwhile.
    func wait(on object: AnyObject, until deadline: MonotonicInstant)
    /// Lets one of the threads go on that wait on the object, or all of them.
    ///
    /// A lock may be held; the caller goes on, too.
    func wake(_ object: AnyObject, all: Bool)
}

/// The threads and the clocks that a module works with.
package struct Scheduling: Sendable {
    /// Nil for the system's.
    let scheduler: (any ThreadScheduler)?

    /// The system's threads and clocks.
    package static let system = Scheduling(scheduler: nil)

    private init(scheduler: (any ThreadScheduler)?) {
        self.scheduler = scheduler
    }

    /// Those of a simulation.
    package init(_ scheduler: any ThreadScheduler) {
        self.init(scheduler: scheduler)
    }

    /// The present of the monotonic clock.
    package var now: MonotonicInstant {
        guard let scheduler else { return .now }
        return scheduler.now
    }

    /// The present of the wall clock.
    package var wallTime: WallTime {
        guard let scheduler else { return .now }
        let (seconds, rest) = scheduler.wallNanoseconds.quotientAndRemainder(
            dividingBy: 1_000_000_000)
        return WallTime(secondsSince1970: rest < 0 ? seconds - 1 : seconds)
    }

    /// The same in nanoseconds since 1970.
    package var wallNanoseconds: Int64 {
        guard let scheduler else { return WallTime.nowNanoseconds }
        return scheduler.wallNanoseconds
    }
}
