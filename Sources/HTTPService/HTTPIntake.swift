// What is done with a request's body, decided when its header is there.

/// Takes a body piece by piece, on the thread of its connection, and answers at its end.
///
/// Let go without `finish` when the connection breaks.
package protocol HTTPBodySink: AnyObject {
    /// Takes the next piece; it may wait, which slows the client down.
    ///
    /// - Returns: whether more is wanted; what comes nevertheless is dropped.
    func take(_ piece: [UInt8]) -> Bool

    /// Answers, now that the body is over.
    func finish() -> HTTPResponse
}

/// What is done with a body.
package enum HTTPIntake {
    /// It is read whole, and the handler answers.
    case whole
    /// It is taken as it comes, up to so many bytes.
    case streamed(any HTTPBodySink, byteCountMax: Int)
    /// It is not read: the answer is sent at once, and the connection is closed behind it.
    case refused(HTTPResponse)
}
