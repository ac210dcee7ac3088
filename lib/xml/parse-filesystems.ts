/** XML -> shared directories. */
import type { Filesystem } from '../domain/devices.ts';
import type { FileServer, Plan9 } from '../domain/filesystems.ts';
import { readAddress } from './addresses.ts';
import { devicesAt, has, need, valueAt, type Known } from './known.ts';
import { readDriver } from './virtio-driver.ts';

const key = '/domain/devices/filesystem';

/** Directories shared by virtiofsd, or by QEMU itself where that is not asked for, as libvirt has it. */
export function readFilesystems(domain: Known): Filesystem[] {
  return devicesAt(domain, key).map((filesystem) => ({
    source: need(filesystem, `${key}/source/@dir`),
    target: need(filesystem, `${key}/target/@dir`),
    readonly: has(filesystem, `${key}/readonly`),
    plan9: valueAt(filesystem, `${key}/driver/@type`) === 'virtiofs' ? null : readPlan9(filesystem),
    server: readServer(filesystem),
    binary: valueAt(filesystem, `${key}/binary/@path`) ?? null,
    queueSize: valueAt(filesystem, `${key}/driver/@queue`) ?? null,
    model: valueAt(filesystem, `${key}/@model`) ?? 'virtio',
    virtio: readDriver(filesystem),
    bootOrder: valueAt(filesystem, `${key}/boot/@order`) ?? null,
    address: readAddress(filesystem, key),
  }));
}

function readPlan9(filesystem: Known): Plan9 {
  return {
    accessMode: valueAt(filesystem, `${key}/@accessmode`) ?? 'passthrough',
    writesAtOnce: valueAt(filesystem, `${key}/driver/@wrpolicy`) === 'immediate',
    severalDevices: valueAt(filesystem, `${key}/@multidevs`) ?? null,
    fileMode: valueAt(filesystem, `${key}/@fmode`) ?? null,
    directoryMode: valueAt(filesystem, `${key}/@dmode`) ?? null,
  };
}

function readServer(filesystem: Known): FileServer {
  return {
    xattr: valueAt(filesystem, `${key}/binary/@xattr`) ?? null,
    cache: valueAt(filesystem, `${key}/binary/cache/@mode`) ?? null,
    sandbox: valueAt(filesystem, `${key}/binary/sandbox/@mode`) ?? null,
    threads: valueAt(filesystem, `${key}/binary/thread_pool/@size`) ?? null,
  };
}
