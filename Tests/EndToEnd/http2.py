#!/usr/bin/env python3
# seconds: 120
"""A Hub that speaks HTTP/2 over TLS, as the real one does: nghttpx stands before a local one."""

import mmap
import os
import subprocess
import threading
import urllib.parse

from suite import Skip, equal, free_port, main, noise, promise, read, wait_for, write

NAME = "acme/second"
MIB = 1 << 20
WEIGHTS = noise(41, 96 * MIB + 4321)
SMALL = [noise(50 + index, 40_000 + index) for index in range(40)]


def prepare(stage):
    folder = stage.path("source")
    write(folder + "/weights.bin", WEIGHTS)
    for index, data in enumerate(SMALL):
        write(f"{folder}/small/{index}.txt", data)
    stage.server = stage.hub()
    stage.server.add(NAME, folder, "--tag", "v1")
    stage.server.start()
    pair = stage.certificate("second", "DNS:localhost")
    stage.log = stage.path("nghttpx.log")
    port = free_port()
    behind = urllib.parse.urlsplit(stage.server.endpoint).port
    try:
        process = subprocess.Popen(
            ["nghttpx", "--conf=/dev/null", "--single-process", f"--frontend=127.0.0.1,{port}",
             f"--backend=127.0.0.1,{behind}", f"--accesslog-file={stage.log}",
             f"--errorlog-file={stage.path('nghttpx.errors')}",
             "--accesslog-format=$protocol_version $status $path", pair[1], pair[0]],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise Skip("there is no nghttpx") from error
    stage.processes.append(process)
    stage.endpoint = f"https://localhost:{port}"
    stage.trusted = pair[0]


def mounted(stage, name, **variables):
    mount = stage.mount(stage.endpoint, name=name, cache=f"cache-{name}")
    mount.start(SSL_CERT_FILE=stage.trusted, **variables)
    mount.top = f"{mount.path}/{NAME}@v1"
    wait_for(lambda: os.path.exists(mount.top), 20, "the Hub behind nghttpx")
    return mount


def versions(stage):
    """Of the protocol, in the requests so far."""
    return [line.split()[0] for line in read(stage.log).decode().splitlines()]


@promise("S31", "Each byte is fetched once")
def many_readers_share_connections_of_http_2(stage):
    mount = mounted(stage, "many")
    found = {}

    def touch(index):
        with open(f"{mount.top}/weights.bin", "rb") as file:
            view = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
            part = range(index * len(WEIGHTS) // 16, (index + 1) * len(WEIGHTS) // 16)
            found[index] = view[part.start:part.stop] == WEIGHTS[part.start:part.stop]
            view.close()

    def small(index):
        found[f"small {index}"] = read(f"{mount.top}/small/{index}.txt") == SMALL[index]

    threads = [threading.Thread(target=touch, args=(index,)) for index in range(16)]
    threads += [threading.Thread(target=small, args=(index,)) for index in range(len(SMALL))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal([key for key, is_right in found.items() if not is_right], [], "wrong bytes")
    equal(len(found), 16 + len(SMALL), "readers")
    equal(set(versions(stage)), {"HTTP/2"}, "protocols")
    print(f"         {len(versions(stage))} requests by HTTP/2")
    mount.end()


@promise("S31", "Each byte is fetched once")
def what_the_disk_does_not_take_yet_pauses(stage):
    # What has come and is not stored waits in memory, up to a bound; then its streams pause, and
    # go on when the disk does.
    mount = mounted(stage, "slow", LD_PRELOAD=stage.preloaded("slow_writes"))
    equal(read(f"{mount.top}/weights.bin"), WEIGHTS)
    equal(set(versions(stage)), {"HTTP/2"}, "protocols")
    mount.end()


main(__name__, prepare)
