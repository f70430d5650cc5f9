import type { Meter } from '../base/meter.ts'

export type AdmissionKind = 'present' | 'join' | 'renew' | 'redeem' | 'unreadable'

export interface AdmissionMetrics {
  /** `result` is "ok" or the code of the refusal. */
  request(kind: AdmissionKind, result: string): void
}

export function createAdmissionMetrics(meter: Meter, remaining: () => number): AdmissionMetrics {
  const requests = meter.counter(
    'skein_admission_requests_total',
    'Admission requests answered, by kind and result. Many refusals: look for the peers in the log; SKEIN_CREDENTIAL_EXPIRED means that clocks differ or renewal fails.',
    ['kind', 'result']
  )
  const credential = meter
    .gauge('skein_admission_credential_remaining_seconds', 'Time until the credential of this node expires. Under a third of its life: no issuer could be reached to renew it.')
    .with()
  meter.onCollect(() => credential.set(remaining()))
  return { request: (kind, result) => requests.with(kind, result).inc() }
}
