/**
 * Looks at each response before it is stored. What has too many points waits in quarantine until somebody releases or discards
 * it; the sender gets the ordinary answer and learns nothing. When this fails the response is stored as it was: a filter that
 * is broken must not cost answers.
 */
import { definePlugin, flag, keep } from 'manifold/plugin'
import { lookFor } from './points.ts'
import type { Look } from './points.ts'
import type { Plugin } from './types.d.ts'

/** Of the one installation in this isolate. */
let look: Look | undefined

export default definePlugin<Plugin>({
  transform: ({ data }, { config }) => {
    look ??= lookFor(config)
    const findings = look(data)
    const points = findings.reduce((sum, finding) => sum + finding.points, 0)
    if (points >= config.points) return flag(findings.map(({ what }) => what).join(', '))
    // Kept with the response: filters of other installations can look at `meta.spam_points`.
    return keep({ meta: { spam_points: points } })
  },
})
