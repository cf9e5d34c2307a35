/** What the lock knows of a plugin beside what is on disk: more asked for, or (in production) simply not the same files. */
import { createHash } from 'node:crypto'
import type { Bundle } from '../sandbox/sandbox.ts'
import type { GrantDiff } from './grants.ts'
import { diffGrants, formatGrantDiff, grantsOf } from './grants.ts'
import type { LockEntry } from './lock.ts'
import type { Manifest } from './manifest.ts'
import type { SourceDiff } from './source-diff.ts'

/** A plugin whose files on disk are not what was granted, and which therefore waits. */
export interface PendingApproval {
  readonly id: string
  /**
   * Version on disk (the granted one where nobody can read that), and the granted one that still runs (null: none is left,
   * its installations stand still).
   */
  readonly version: string
  readonly running: string | null
  /** Production: its folder is not there any more. There is nothing to approve. */
  readonly isGone: boolean
  /** Lines such as `+ http host evil.example` and, in production, `! code: 3f2a… was granted, 90b1… is on disk`. */
  readonly diff: string
  /** What changed in the sources; null: what was granted is not kept, or what is on disk cannot be read. */
  readonly sources: SourceDiff | null
  /** What is on disk: SHA-256 of its bundle, and of manifest and bundle together, which an approval names; null: it cannot be bundled. */
  readonly code: string | null
  readonly hash: string | null
}

/** What is on disk, as far as it was read. */
export interface OnDisk {
  readonly manifest: Manifest
  readonly bundle: Bundle
}

/** Of everything that an approval says yes to. */
export const approvalHash = ({ manifest, bundle }: OnDisk): string =>
  createHash('sha256')
    .update(`${JSON.stringify(manifest)}\0${bundle.hash}`)
    .digest('hex')

/** More is asked for than was granted; null when it is not. */
export function widening(entry: LockEntry, manifest: Manifest): GrantDiff | null {
  const diff = diffGrants(entry.grants, grantsOf(manifest))
  return diff.added.length > 0 ? diff : null
}

/**
 * Every way in which the files on disk are not those that were granted, a line each; empty when they are the same.
 * `kept`: the manifest as it was granted, when it is still known.
 */
export function changes(entry: LockEntry, { manifest, bundle }: OnDisk, kept: Manifest | null): readonly string[] {
  const lines: string[] = []
  if (entry.version !== manifest.version)
    lines.push(`! version: ${entry.version} was granted, ${manifest.version} is on disk`)
  if (entry.hash !== bundle.hash)
    lines.push(`! code: ${shortHash(entry.hash)} was granted, ${shortHash(bundle.hash)} is on disk`)
  const [before, now] = [kept, manifest].map((each) => (each === null ? null : hashOf(each)))
  if (before !== null && before !== now && lines.length === 0)
    lines.push(`! plugin.json: ${shortHash(before as string)} was granted, ${shortHash(now as string)} is on disk`)
  const grants = formatGrantDiff(diffGrants(entry.grants, grantsOf(manifest)))
  return grants === '' ? lines : [...grants.split('\n'), ...lines]
}

const HASH_CHARS = 12

/** As much of a hash as people compare. */
export const shortHash = (hash: string): string => hash.slice(0, HASH_CHARS)

const hashOf = (manifest: Manifest): string => createHash('sha256').update(JSON.stringify(manifest)).digest('hex')

/** True when the code is the one the hash was made of: a file that was cut short or touched is not used. */
export function isBundle(value: unknown): value is Bundle {
  const bundle = value as Partial<Bundle> | null | undefined
  if (typeof bundle?.code !== 'string' || typeof bundle.sourceMap !== 'string' || typeof bundle.hash !== 'string')
    return false
  return createHash('sha256').update(bundle.code).digest('hex') === bundle.hash
}

/** What happened, and what to do about it, as everybody is told who has to know. */
export function wordsOf({ id, version, running, isGone, diff }: Omit<PendingApproval, 'sources' | 'code' | 'hash'>): {
  readonly reason: string
  readonly todo: string
} {
  if (isGone)
    return {
      reason: `the folder of ${id} is gone; version ${running} runs on as it was granted`,
      todo: `put the folder back, or take what uses ${id} out of manifold.yaml`,
    }
  const meanwhile = running === null ? 'its installations stand still' : `${running} as it was granted runs on`
  return {
    reason: `${id} ${version} on disk is not what was granted (${diff.replaceAll('\n', ', ')}); ${meanwhile}`,
    todo: `read it, then: manifold plugin approve ${id}`,
  }
}
