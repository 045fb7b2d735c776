// Everything that can go wrong between `modelfs mount` and a mount that answers.
//
// The cases hold facts; the sentences are in MountFailure+Message.swift. A failure crosses the
// control socket, so that a user reads the same words whoever found the problem.

package import Platform

/// Files that are in the way: how many, and the first of them.
package struct DifferingFiles: Equatable, Sendable, Codable {
    package var count: Int
    package var first: String
}

/// Why a mount, an unmount or a daemon did not come about.
package enum MountFailure: Error, Equatable, Sendable, Codable {
    // FUSE on this machine.
    case fuseDeviceMissing(path: String)
    case fuseDeviceRefused(path: String, Errno)
    case fusermountMissing
    case userNameless(userID: UInt32)
    case allowOtherNotEnabled(configuration: String)
    case kernelRefused(mountpoint: String, Errno)

    // The mountpoint.
    case mountpointMissing(path: String)
    case mountpointNotDirectory(path: String)
    case mountpointNotEmpty(path: String, entry: String)
    case mountpointTaken(path: String, type: String, source: String)
    case mountpointStale(path: String, Errno)
    case mountpointSilent(path: String)
    case mountpointRefused(path: String, Errno)
    case mountpointInsideCache(path: String, cache: String)
    case mountpointInUse(path: String)
    case notMounted(path: String)

    // The cache.
    case cacheNotWritable(path: String, Errno)
    case cacheNotDirectory(path: String)
    case cacheOfOtherUser(path: String, userID: UInt32)
    case cacheOfOtherVersion(path: String, found: String, known: Int)
    case notACache(path: String, entry: String)
    case cacheServed(path: String, processID: Int32)
    case cacheDamaged(path: String, detail: String)
    case cacheMissing(path: String)
    case notCached(target: String)
    case pathNotShown(path: String, detail: String)
    case destinationFailed(path: String, Errno)
    case destinationBusy(path: String)
    /// Files that no pull has put there, and files of a pull that somebody has changed since.
    case destinationDiffers(path: String, foreign: DifferingFiles?, changed: DifferingFiles?)
    case nothingSelected(target: String)
    case aliasMalformed(name: String)
    case aliasMissing(name: String)
    case aliasUnchanged(name: String, detail: String)

    // The Hub.
    case sourceMalformed(source: String, detail: String)
    case hubUnreachable(source: String, endpoint: String, detail: String)
    case offlineNotCached(source: String)
    /// A daemon of an older version does not say whether it has a token.
    case repositoryNotFound(repository: String, endpoint: String, hasToken: Bool?)
    case revisionNotFound(repository: String, revision: String)
    case folderNotFound(repository: String, revision: String, folder: String)
    case gated(repository: String, askAt: String)
    case tokenRefused(endpoint: String)

    // The daemon.
    case daemonAbsent(cache: String)
    case daemonSilent(cache: String, processID: Int32?)
    case daemonDied(ending: String, log: String)
    case daemonOfOtherVersion(cache: String, processID: Int32)
    case daemonBusy(cache: String)
    case daemonUnkept(cache: String)
    case metricsRefused(address: String, detail: String)
    case upgradeRefused(program: String, detail: String)
    case optionConflict(option: String, held: String)
    /// `detail` names the variable and what is wrong with it.
    case environmentMalformed(detail: String)
    /// For what has no case of its own; `detail` is a sentence without a full stop.
    case failed(detail: String)
}
