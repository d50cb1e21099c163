import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Vault } from './vault.ts';

describe('vault', () => {
  const vault = new Vault(randomBytes(32).toString('base64'));

  it('opens what it sealed, for the same tenant and purpose only', () => {
    const tenant = vault.openTenant(vault.newDataKey());
    const other = vault.openTenant(vault.newDataKey());
    const sealed = tenant.seal('content', 'hello');
    assert.equal(tenant.open('content', sealed).toString(), 'hello');
    assert.throws(() => other.open('content', sealed));
    assert.throws(() => tenant.open('address', sealed));
    sealed[sealed.length - 1]! ^= 1;
    assert.throws(() => tenant.open('content', sealed));
  });

  it('hashes one address alike within a tenant and unlike across tenants', () => {
    const wrapped = vault.newDataKey();
    const hash = vault.openTenant(wrapped).hashAddress('a@b.test');
    assert.deepEqual(vault.openTenant(wrapped).hashAddress('a@b.test'), hash);
    assert.notDeepEqual(vault.openTenant(vault.newDataKey()).hashAddress('a@b.test'), hash);
  });
});
