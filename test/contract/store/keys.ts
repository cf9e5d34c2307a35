/** The store contract of API keys: made, found by hash, listed, touched, revoked. */
import { describe, expect, it } from 'vitest'
import { newId } from '../../../core/ids.ts'
import type { SharedStore } from '../store.ts'
import { AT, later } from './fixtures.ts'

export function keysPart(shared: SharedStore): void {
  const key = (workspace: string, changes: object = {}) => {
    const id = newId('key')
    return {
      id,
      workspace,
      name: 'CI',
      prefix: 'mf_abc',
      hash: `hash of ${id}`,
      scopes: ['forms:read', 'admin'],
      createdAt: AT,
      expiresAt: null,
      ...changes,
    }
  }

  describe('keys', () => {
    it('creates, finds, lists, touches and revokes', async () => {
      const { store, workspace } = shared()
      const first = key(workspace)
      const second = key(workspace, { createdAt: later(1), expiresAt: later(9) })
      await store.createKey(first)
      await store.createKey(second)
      expect(await store.keyByHash(first.hash)).toEqual({
        ...first,
        lastUsedAt: null,
        revokedAt: null,
        kind: 'key',
        openedBy: null,
      })
      expect(await store.keyByHash('unknown')).toBeUndefined()
      await store.touchKeys([{ id: first.id, at: later(5) }])
      await store.touchKeys([{ id: first.id, at: later(3) }])
      await store.touchKeys([])
      expect((await store.keyByHash(first.hash))?.lastUsedAt).toBe(later(5))
      expect((await store.listKeys(workspace)).map(({ id }) => id)).toEqual([first.id, second.id])
      expect(await store.revokeKey(workspace, second.id, later(7))).toBe(true)
      expect(await store.revokeKey(workspace, second.id, later(8))).toBe(false)
      expect((await store.keyByHash(second.hash))?.revokedAt).toBe(later(7))
    })

    it('keeps ids and hashes apart', async () => {
      const { store, workspace } = shared()
      const first = key(workspace)
      await store.createKey(first)
      await expect(store.createKey(key(workspace, { id: first.id }))).rejects.toMatchObject({ code: 'conflict' })
      await expect(store.createKey(key(workspace, { hash: first.hash }))).rejects.toMatchObject({ code: 'conflict' })
    })

    it('lists and revokes across workspaces only when asked to', async () => {
      const { store, workspace } = shared()
      const mine = key(workspace)
      await store.createKey(mine)
      expect((await store.listKeys(null)).map(({ id }) => id)).toContain(mine.id)
      expect(await store.revokeKey('elsewhere', mine.id, AT)).toBe(false)
      expect(await store.revokeKey(null, mine.id, AT)).toBe(true)
    })
  })
}
