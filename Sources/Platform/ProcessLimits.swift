// Limits that the system sets for this process.

internal import Glibc

/// The process's own limits.
package enum ProcessLimits {
    /// Lets this process have as many descriptors as it is allowed to ask for.
    ///
    /// The corresponding C function is `setrlimit` with `RLIMIT_NOFILE`.
    ///
    /// - Returns: how many that is.
    @discardableResult
    package static func raiseDescriptorCount() -> Int {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard unsafe getrlimit(resource, &limit) == 0 else { return 0 }
        let before = limit.rlim_cur
        limit.rlim_cur = limit.rlim_max
        let isRaised = unsafe setrlimit(resource, &limit) == 0
        return Int(clamping: isRaised ? limit.rlim_max : before)
    }

    /// How many processors this process may use.
    ///
    /// The corresponding C function is `sysconf` with `_SC_NPROCESSORS_ONLN`.
    package static var processorCount: Int { max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }
}
