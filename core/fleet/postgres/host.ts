/** This machine among others: which processes run on it, and where it is reached. */
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'

/**
 * A name for the set of processes that this one could see die: host, boot and pid namespace, since containers share
 * host names. Null where that cannot be told.
 */
export function placeOfProcess(): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${hostname()}/${boot}/${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return null
  }
}

/** True when there certainly is no such process any more. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

/** Where others reach a server that may listen on all addresses: then the first of the machine's own that is no loopback. */
export function reachableUrl(listening: string): string {
  const url = new URL(listening)
  if (url.hostname !== '0.0.0.0' && url.hostname !== '[::]') return listening
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const own = addresses.find(({ internal, family }) => !internal && family === 'IPv4')
  url.hostname = own?.address ?? hostname()
  return url.origin
}
