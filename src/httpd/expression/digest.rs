//! The hashes that expressions can ask for: MD5 (RFC 1321) and SHA-1 (FIPS 180), as hexadecimal digits. No secret depends on them here, and
//! no crate beside this file is needed for two functions that hardly any configuration calls.

/// The text in blocks of 64 bytes, closed as both hashes want it: a bit, zeros, the length in bits.
fn padded(text: &[u8], length: [u8; 8]) -> Vec<u8> {
    let mut out = text.to_vec();
    out.push(0x80);
    out.resize((out.len() + 8).next_multiple_of(64), 0);
    let at = out.len() - 8;
    out[at..].copy_from_slice(&length);
    out
}

fn hex(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    bytes.flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| b"0123456789abcdef"[usize::from(digit)]).collect()
}

/// The sines of 1 to 64 radians, their first 32 bits.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// `md5()`
pub(super) fn md5(text: &[u8]) -> Vec<u8> {
    const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded(text, (text.len() as u64 * 8).to_le_bytes()).chunks_exact(64) {
        let words: Vec<u32> = block.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect();
        let [mut a, mut b, mut c, mut d] = state;
        for at in 0..64 {
            let (mixed, word) = match at / 16 {
                0 => ((b & c) | (!b & d), at),
                1 => ((d & b) | (!d & c), (5 * at + 1) % 16),
                2 => (b ^ c ^ d, (3 * at + 5) % 16),
                _ => (c ^ (b | !d), (7 * at) % 16),
            };
            let sum = a.wrapping_add(mixed).wrapping_add(SINES[at]).wrapping_add(words[word]);
            (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(TURNS[at / 16][at % 4])));
        }
        for (own, new) in state.iter_mut().zip([a, b, c, d]) {
            *own = own.wrapping_add(new);
        }
    }
    hex(state.into_iter().flat_map(u32::to_le_bytes))
}

/// `sha1()`
pub(super) fn sha1(text: &[u8]) -> Vec<u8> {
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded(text, (text.len() as u64 * 8).to_be_bytes()).chunks_exact(64) {
        let mut words: Vec<u32> = block.as_chunks::<4>().0.iter().map(|four| u32::from_be_bytes(*four)).collect();
        for at in 16..80 {
            words.push((words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (at, word) in words.into_iter().enumerate() {
            let (mixed, constant) = match at / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999u32),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let sum = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, sum);
        }
        for (own, new) in state.iter_mut().zip([a, b, c, d, e]) {
            *own = own.wrapping_add(new);
        }
    }
    hex(state.into_iter().flat_map(u32::to_be_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    /// The examples of RFC 1321 and FIPS 180, and a text at every length around a block's end.
    #[test]
    fn the_examples_of_the_standards_are_met() {
        let alphabet = b"abcdefghijklmnopqrstuvwxyz";
        let eighty = b"12345678901234567890123456789012345678901234567890123456789012345678901234567890";
        for (of, hash) in [
            (&b""[..], "d41d8cd98f00b204e9800998ecf8427e"),
            (b"a", "0cc175b9c0f1b6a831c399e269772661"),
            (b"message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (alphabet, "c3fcd3d76192e4007dfb496cca67e13b"),
            (eighty, "57edf4a22be3c955ac49da2e2107b67a"),
        ] {
            assert_eq!(text(md5(of)), hash);
        }
        for (of, hash) in [
            (&b""[..], "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
            (alphabet, "32d10c7b8cf96570ca04ce37f2a19d84240d3a89"),
        ] {
            assert_eq!(text(sha1(of)), hash);
        }
        // The hash of all hashes of 0 to 130 letters, as Python's hashlib makes it.
        let all =
            |one: fn(&[u8]) -> Vec<u8>| text(one(&(0..131).flat_map(|n| one(&vec![b'x'; n])).collect::<Vec<_>>()));
        assert_eq!(all(md5), "861e4a9e76c88ae6267e22fd76384596");
        assert_eq!(all(sha1), "264556ac95806d1e869b3f1fad8691f6633bcdfa");
    }
}
