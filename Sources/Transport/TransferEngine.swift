// What carries transfers out: libcurl on a thread of its own, or a simulated network.
//
// An engine takes commands from any thread, in their order, and calls every sink on one thread.

/// What is asked of an engine.
package enum TransferCommand: Sendable {
    case start(TransferID, TransferRequest, any TransferSink)
    /// Ends with `.cancelled` what has not ended.
    case cancel(TransferID)
    case promote(TransferID, TransferPriority)
    /// Lets a transfer go on whose sink answered `.pause`.
    case resume(TransferID)
    /// Something short, to be run on the transfer thread.
    case run(@Sendable () -> Void)
}

/// Carries transfers out.
package protocol TransferEngine: AnyObject, Sendable {
    /// Takes a command; false after `shutdown`, and nothing comes of it.
    @discardableResult
    func send(_ command: TransferCommand) -> Bool
    /// Ends every transfer with `.shutDown` and the thread.
    func shutdown()
}
