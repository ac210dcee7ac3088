/**
 * Non-interchangeable resources a definition wants: which they are as claims, whether somebody outside has one of them, and
 * the ports that are chosen at start. Asks; takes nothing.
 */
import { readFileSync } from 'node:fs';
import {
  type CidClaim,
  type Claim,
  type ClaimHolder,
  describeClaim,
  findConflict,
  isFileClaim,
  type PortClaim,
} from '../domain/claims.ts';
import type { Backend, Interface } from '../domain/devices.ts';
import type { Domain } from '../domain/definition.ts';
import { type Graphics, isServer, wantsPort } from '../domain/graphics.ts';
import { firstGuestCid } from '../domain/links.ts';
import { findClaimHolder } from '../drain/holders.ts';
import { DomctlError, isErrno } from '../errors.ts';
import { claimFile, claimImages, isWriteLocked } from '../host/images.ts';
import { isPortFree } from '../host/ports.ts';
import { claimNamedTaps, tapState } from '../host/taps.ts';

/**
 * What the definition itself names: images and what is behind them, block devices, taps, ports; and the file of the guest's
 * UEFI variables (null: none), which is there by now. Throws HOST_LACKS.
 */
export async function claimResources(domain: Domain, variables: string | null): Promise<Claim[]> {
  const images = await claimImages(domain.disks);
  const nvram = variables === null ? [] : [await claimVariables(variables)];
  const { pstore, vsock } = domain;
  const store = pstore && [await claimFile({ kind: 'store', path: pstore.path, mode: 'exclusive' }, 'store of errors')];
  const number = typeof vsock?.cid === 'number' ? [claimCid(vsock.cid)] : [];
  const files = [...images, ...nvram, ...(store ?? [])];
  return [...files, ...number, ...claimNamedTaps(domain.interfaces), ...claimPorts(domain)];
}

async function claimVariables(path: string): Promise<Claim> {
  return claimFile({ kind: 'nvram', path, mode: 'exclusive' }, 'UEFI variables');
}

/** Ports that are listened on by VNC, forwarding and character devices; those VNC leaves open are not among them. */
export function claimPorts(domain: Domain): PortClaim[] {
  const screens = domain.graphics.flatMap((each) => portsOfScreen(each));
  const forwards = domain.interfaces.flatMap(({ portForwards }) =>
    portForwards.map(({ protocol, address, hostPort }) => claimPort(protocol, address, hostPort)),
  );
  const sockets = domain.interfaces.flatMap(socketPorts);
  // A console that doubles a serial port has no backend of its own.
  const consoles = domain.consoles.filter(({ kind }) => kind === 'virtio');
  const cards = domain.smartcards.filter((card) => card.mode === 'passthrough');
  const lines = [...domain.serials, ...domain.parallels, ...consoles, ...domain.channels];
  const devices = [...lines, ...domain.redirdevs, ...cards];
  return [...screens, ...forwards, ...sockets, ...devices.flatMap(({ backend }) => portOf(backend))];
}

function portsOfScreen(screen: Graphics): PortClaim[] {
  if (!isServer(screen) || screen.reach !== 'port') return [];
  const { listen, port } = screen;
  const ports = [port, screen.type === 'vnc' ? screen.websocket : null];
  return ports.filter((each) => each !== null).map((each) => tcpPort(listen, each));
}

/** Many may listen to one multicast group, and a client's port is the kernel's choice. */
function socketPorts({ type, socket }: Interface): PortClaim[] {
  if (type === 'server' && socket) return [claimPort('tcp', socket.address, socket.port)];
  return socket?.local ? [claimPort('udp', socket.local.address, socket.local.port)] : [];
}

function portOf(backend: Backend): PortClaim[] {
  if (backend.type === 'udp' && backend.bindPort !== null)
    return [claimPort('udp', backend.bindHost, backend.bindPort)];
  return backend.type === 'tcp' && backend.mode === 'bind' ? [tcpPort(backend.host, backend.port)] : [];
}

function tcpPort(address: string, port: number): PortClaim {
  return claimPort('tcp', address, port);
}

function claimPort(protocol: 'tcp' | 'udp', address: string | null, port: number): PortClaim {
  return { kind: 'port', protocol, address, port, mode: 'exclusive' };
}

/** Ports chosen for graphics that name none, by their index. */
export interface ChosenPorts {
  readonly vncPorts: ReadonlyMap<number, number>;
  readonly claims: readonly PortClaim[];
}

/** VNC's display 0, and the last port there is. */
const [firstVncPort, lastPort] = [5900, 65_535];

/**
 * A free port from 5900 on for each VNC server that names none: neither claimed by `holders` or in `claimed`, nor listened
 * on by anybody. Whoever calls must keep others from choosing at the same time. Throws HOST_LACKS.
 */
export async function choosePorts(
  domain: Domain,
  claimed: readonly Claim[],
  holders: readonly ClaimHolder[],
): Promise<ChosenPorts> {
  const vncPorts = new Map<number, number>();
  const claims: PortClaim[] = [];
  for (const [index, screen] of domain.graphics.entries()) {
    if (!wantsPort(screen)) continue;
    const own = { domain: domain.name, incarnation: 0, claims: [...claimed, ...claims] };
    const claim = await firstFree(screen.listen, [...holders, own]);
    vncPorts.set(index, claim.port);
    claims.push(claim);
  }
  return { vncPorts, claims };
}

async function firstFree(address: string, holders: readonly ClaimHolder[]): Promise<PortClaim> {
  for (let port = firstVncPort; port <= lastPort; port += 1) {
    const claim = tcpPort(address, port);
    if (findConflict([claim], holders) === null && (await isFree(claim))) return claim;
  }
  throw new DomctlError('HOST_LACKS', `no port from ${firstVncPort} on is free on ${address} for VNC or spice`, {
    hint: 'end what listens there, or use <listen type="socket"/>',
  });
}

/** The lowest number that no guest of ours has, for a vsock without one; null: it has one, or there is no vsock. */
export function chooseCid({ vsock }: Domain, holders: readonly ClaimHolder[]): CidClaim | null {
  if (vsock === null || vsock.cid !== null) return null;
  let cid = firstGuestCid;
  while (findConflict([claimCid(cid)], holders) !== null) cid += 1;
  return claimCid(cid);
}

function claimCid(cid: number): CidClaim {
  return { kind: 'cid', cid, mode: 'exclusive' };
}

/** A resource that somebody who is none of our domains has, and who, if it could be seen. */
export interface TakenResource {
  readonly claim: Claim;
  readonly holder: string | null;
}

/** The exclusive ones of `claims` that somebody has now: said by name here, instead of by a hypervisor that fails. */
export async function findTaken(claims: readonly Claim[]): Promise<TakenResource[]> {
  const found = await Promise.all(claims.map(async (claim) => ((await isTaken(claim)) ? [claim] : [])));
  return Promise.all(found.flat().map(async (claim) => ({ claim, holder: await findClaimHolder(claim, '') })));
}

/** Whether a start now would fail for it. Throws HOST_LACKS where it could not even be asked for. */
export async function isTaken(claim: Claim): Promise<boolean> {
  if (claim.mode === 'shared') return false;
  if (claim.kind === 'store' || claim.kind === 'character') return (await findClaimHolder(claim, '')) !== null;
  // Numbers of others are not told; the hypervisor is refused one that is taken.
  if (claim.kind === 'cid') return false;
  if (isFileClaim(claim) || claim.kind === 'block') return isWriteLocked(claim.path);
  if (claim.kind === 'port') return !(await isFree(claim));
  const state = tapState(claim.name);
  if (claim.managed) return state !== 'gone';
  return state === 'unseen' ? (await findClaimHolder(claim, '')) !== null : state === 'attached';
}

async function isFree(claim: PortClaim): Promise<boolean> {
  try {
    return await isPortFree(claim);
  } catch (error) {
    if (!isErrno(error, 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'EACCES', 'EINVAL')) throw error;
    throw new DomctlError('HOST_LACKS', `nobody can listen on ${describeClaim(claim)} here`, {
      hint: `'${claim.address}' must be an address of this host`,
      cause: error,
    });
  }
}

/** Refuses ports that the hypervisor's user may not listen on. Throws HOST_LACKS. */
export function requireUnprivilegedPorts(claims: readonly Claim[], isRoot: boolean): void {
  if (isRoot) return;
  const first = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  const low = claims.find((claim) => claim.kind === 'port' && claim.port < first);
  if (!low) return;
  throw new DomctlError('HOST_LACKS', `${describeClaim(low)} is for root alone, and the hypervisor is not root`, {
    hint: `choose a port from ${first} on`,
  });
}
