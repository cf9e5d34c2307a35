/** The store contract of sessions: opened with a key or a link, ended with that key, never listed among keys. */
import { describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { SharedStore } from '../store.ts'
import { AT, later } from './fixtures.ts'

export function sessionsPart(shared: SharedStore): void {
  const row = (workspace: string, changes: object = {}) => {
    const id = newId('session')
    return {
      id,
      workspace,
      name: 'Ada',
      prefix: 'mfs_abcdef',
      hash: `hash of ${id}`,
      scopes: ['forms:read'],
      createdAt: AT,
      expiresAt: later(60_000),
      kind: 'session' as const,
      openedBy: null as string | null,
      ...changes,
    }
  }
  const key = async ({ store, workspace }: ReturnType<SharedStore>, expiresAt: string | null = null) => {
    const { kind: _kind, openedBy: _openedBy, ...made } = row(workspace, { id: newId('key'), expiresAt })
    await store.createKey(made)
    return made
  }

  describe('sessions', () => {
    it('end with the key they were opened with, and no later', async () => {
      const place = shared()
      const { store, workspace } = place
      const of = await key(place, later(30_000))
      const session = row(workspace, { openedBy: of.id })
      const opened = await store.openSession({ session, key: of.id, at: AT })
      expect(opened).toMatchObject({ id: session.id, openedBy: of.id, expiresAt: later(30_000), revokedAt: null })
      expect(await store.keyByHash(session.hash)).toEqual(opened)
      expect((await store.listKeys(workspace)).map(({ id }) => id)).not.toContain(session.id)
      expect(await store.revokeKey(workspace, of.id, later(1))).toBe(true)
      expect((await store.keyByHash(session.hash))?.revokedAt).toBe(later(1))
    })

    it('are not opened with a key that is revoked, expired, or of another workspace', async () => {
      const place = shared()
      const { store, workspace } = place
      const revoked = await key(place)
      await store.revokeKey(workspace, revoked.id, AT)
      const expired = await key(place, AT)
      const foreign = await key(place)
      const open = (openedBy: string, of = workspace) =>
        store.openSession({ session: row(of, { openedBy }), key: openedBy, at: later(1) })
      expect(await open(revoked.id)).toBeUndefined()
      expect(await open(expired.id)).toBeUndefined()
      expect(await open(foreign.id, 'elsewhere')).toBeUndefined()
      expect(await open(foreign.id)).toBeDefined()
    })

    it('are opened by a link once, as what the link stands for', async () => {
      const place = shared()
      const { store, workspace } = place
      const of = await key(place)
      const link = row(workspace, { kind: 'link', openedBy: of.id, scopes: ['admin'] })
      await store.openSession({ session: link, key: of.id, at: AT })
      const follow = () => store.followLink({ session: row(''), link: link.hash, at: later(1) })
      const [first, second] = await Promise.all([follow(), follow()])
      expect([first, second].filter((each) => each !== undefined)).toMatchObject([
        { workspace, name: link.name, scopes: ['admin'], openedBy: of.id, kind: 'session' },
      ])
      expect(await follow()).toBeUndefined()
    })

    it('a link that is late or whose key is revoked opens none, nor does a session', async () => {
      const place = shared()
      const { store, workspace } = place
      const of = await key(place)
      const late = row(workspace, { kind: 'link', openedBy: of.id, expiresAt: later(5) })
      const ended = row(workspace, { kind: 'link', openedBy: of.id })
      const session = row(workspace, { openedBy: of.id })
      for (const each of [late, ended, session]) await store.openSession({ session: each, key: of.id, at: AT })
      const follow = (link: string) => store.followLink({ session: row(''), link, at: later(6) })
      expect(await follow(late.hash)).toBeUndefined()
      expect(await follow(session.hash)).toBeUndefined()
      await store.revokeKey(workspace, of.id, later(6))
      expect(await follow(ended.hash)).toBeUndefined()
    })

    it('leave nothing once they have expired', async () => {
      const { store, workspace } = shared()
      const old = row(workspace, { expiresAt: later(1) })
      await store.openSession({ session: old, key: null, at: AT })
      await store.openSession({ session: row(workspace, { expiresAt: later(90_000) }), key: null, at: later(1) })
      expect(await store.keyByHash(old.hash)).toBeUndefined()
    })
  })
}
