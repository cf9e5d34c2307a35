/** Health: what `/readyz` says, built from probes the composition root names. `/healthz` only says the loop turns. */

/** Resolves when the part can do its work now; throws with the reason when it cannot. May add a detail worth showing. */
export type Probe = () => Promise<string | void> | string | void

export interface ProbeResult {
  readonly name: string
  readonly ok: boolean
  readonly detail: string | null
}

export interface Readiness {
  readonly ready: boolean
  readonly checks: readonly ProbeResult[]
}

export interface Health {
  /** Runs all probes at once, each for at most `PROBE_TIMEOUT_MS`. Ready when all pass and the hub is not draining. */
  readiness(): Promise<Readiness>
  /** From now on not ready: the balancer should look elsewhere while this process finishes. */
  drain(why: string): void
}

const PROBE_TIMEOUT_MS = 2_000

/** `probes` run at every question, so they must be cheap. */
export function openHealth(probes: Readonly<Record<string, Probe>>): Health {
  let draining: string | null = null
  return {
    drain: (why) => {
      draining ??= why
    },
    readiness: async () => {
      const results = await Promise.all(Object.entries(probes).map(([name, probe]) => check(name, probe)))
      const checks = draining === null ? results : [{ name: 'serving', ok: false, detail: draining }, ...results]
      return { ready: checks.every((result) => result.ok), checks }
    },
  }
}

async function check(name: string, probe: Probe): Promise<ProbeResult> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PROBE_TIMEOUT_MS} ms`)), PROBE_TIMEOUT_MS)
  })
  try {
    const detail = await Promise.race([Promise.resolve().then(probe), late])
    return { name, ok: true, detail: detail ?? null }
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error) }
  } finally {
    clearTimeout(timer)
  }
}
