/** How the tests run: in child processes (isolated-vm dislikes threads), all files of the tree, no transforms to configure. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'

/**
 * Parsed code of the tests' processes, apart from that of hubs: V8 takes code only from a process with the same flags, so in
 * one folder each of the two would refuse what the other left, and parse everything again.
 */
process.env['NODE_COMPILE_CACHE'] = fileURLToPath(new URL('../node_modules/.cache/tests', import.meta.url))

/** Those that take longest, begun first: one that begins last runs beside nobody. Fleets stand apart, for Postgres' connections. */
const LONGEST = [
  'faults/01-kill',
  'testing/guide',
  'faults/pg-01-kill',
  'connectors/slack-storm',
  'cli/commands',
  'faults/pg-09-worker-kill',
  'connectors/google-sheets',
  'connectors/salesforce-storm',
  'faults/11-redis',
  'faults/29-move',
  'storage/move',
  'sandbox/breach',
  'flow/75-runs',
  'faults/pg-ownership',
  'testing/conformance',
  'flow/15-transform',
  'contract/store',
  'zapier-app/official',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
      return at < 0 ? LONGEST.length : at
    }
    const group = ({ project }: TestSpecification): number => project.config.sequence.groupOrder
    return (await super.sort(files)).toSorted((a, b) => group(a) - group(b) || rank(a) - rank(b))
  }
}

const NEEDS_BOTH_CORES = ['test/faults/pg-{23,25}-*.test.ts']

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  cacheDir: 'node_modules/.cache/vitest',
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'all',
          include: ['{core,plugins,integrations,test}/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'test/fixtures/**', ...NEEDS_BOTH_CORES],
        },
      },
      {
        // After the others, one by one: they load a fleet until the machine is full, and count what it does then.
        extends: true,
        test: { name: 'by itself', include: NEEDS_BOTH_CORES, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
      {
        // The tour of the system once more, on Postgres: nothing of it may depend on what is underneath. (Backup and
        // restore of 20 and the commands of 90 name files of SQLite.)
        extends: true,
        test: {
          name: 'flow on postgres',
          include: ['test/flow/{10,15,16,17,30,40,50,55,60,62,70,80}-*.test.ts'],
          env: { MANIFOLD_TEST_BACKEND: 'postgres' },
        },
      },
    ],
    // Finds Postgres and Redis, once for all files.
    globalSetup: ['test/support/services-setup.ts'],
    pool: 'forks',
    // isolated-vm cannot run in a process started from V8's snapshot.
    execArgv: ['--no-node-snapshot'],
    // One more than the two cores of the machines they run on: half of the time a test waits, for a disk or a clock.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    // Each file cleans up after itself; a test that only passes on the second try is a failing test. A shared CI machine
    // may stand still for seconds in the middle of a fault, so there, and only there, one more try is given and reported.
    retry: process.env['CI'] === undefined ? 0 : 1,
    allowOnly: false,
    reporters: ['default'],
  },
})
