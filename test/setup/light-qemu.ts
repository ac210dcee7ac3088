/** The hypervisor of test/fixtures/hypervisor, which weighs nothing and misbehaves when told to. */
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const sources = ['light.c', 'hostile.c', 'endings.c'].map((name) =>
  fileURLToPath(new URL(`../fixtures/hypervisor/${name}`, import.meta.url)),
);

/** Builds it as `file`, which anybody can run; asked what it can do, it is `qemu`. */
export function buildLightQemu(file: string, qemu: string): void {
  execFileSync('cc', ['-O2', '-pthread', `-DQEMU="${qemu}"`, '-o', file, ...sources]);
  chmodSync(file, 0o755);
}
